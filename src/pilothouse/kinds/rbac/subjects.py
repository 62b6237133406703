"""Subjects of role bindings: their defaults, and how Tables show them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.rbac.v1 import Subject

GROUP = "rbac.authorization.k8s.io"


def subject_defaults(subject: Subject) -> Subject:
    """Users and groups belong to the group of RBAC, service accounts to the core group."""
    if subject.kind in ("User", "Group") and not subject.api_group:
        return replace(subject, api_group=GROUP)
    return subject


def told(subjects: Sequence[Subject]) -> tuple[str, str, str]:
    """Cells of users, groups and service accounts."""
    users = ", ".join(s.name for s in subjects if s.kind == "User")
    groups = ", ".join(s.name for s in subjects if s.kind == "Group")
    accounts = ", ".join(f"{s.namespace}/{s.name}" for s in subjects if s.kind == "ServiceAccount")
    return users, groups, accounts
