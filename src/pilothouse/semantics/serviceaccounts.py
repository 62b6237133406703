"""Service accounts as users: their names, groups, and what their tokens tell. Pure."""

from __future__ import annotations

import re

USER_PREFIX = "system:serviceaccount:"
ALL_GROUP = "system:serviceaccounts"
ISSUER = "https://kubernetes.default.svc.cluster.local"
LEGACY_ISSUER = "kubernetes/serviceaccount"

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
POD_NAME, POD_UID = "authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/pod-uid"
NODE_NAME, NODE_UID = "authentication.kubernetes.io/node-name", "authentication.kubernetes.io/node-uid"

TOKEN_SECRET_TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def username(namespace: str, name: str) -> str:
    return f"{USER_PREFIX}{namespace}:{name}"


def groups(namespace: str) -> tuple[str, ...]:
    """The groups of every account in `namespace`."""
    return (ALL_GROUP, f"{ALL_GROUP}:{namespace}")


def split(user: str) -> tuple[str, str] | None:
    """Namespace and name of the account that `user` is; None if it is none."""
    if not user.startswith(USER_PREFIX):
        return None
    parts = user[len(USER_PREFIX) :].split(":")
    if len(parts) != 2:
        return None
    namespace, name = parts
    if len(namespace) > 63 or len(name) > 253 or not _LABEL.fullmatch(namespace) or not _SUBDOMAIN.fullmatch(name):
        return None
    return namespace, name
