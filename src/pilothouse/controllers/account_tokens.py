"""Secrets of type service-account-token get a token, the authority and the namespace; without their account they go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Secret, ServiceAccount
from pilothouse.controllers.environment import Environment
from pilothouse.kit import jwt
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of
from pilothouse.semantics.serviceaccounts import (
    ACCOUNT_NAME,
    ACCOUNT_UID,
    LEGACY_ISSUER,
    TOKEN_SECRET_TYPE,
    username,
)

IDENTITY = "kube-controller-manager"
INDEX = "account"
NOT_FOUND = 404
_CLAIM = "kubernetes.io/serviceaccount"
replace = msgspec.structs.replace


def account_of(secret: Secret) -> str:
    """The account that a token Secret names; empty for other Secrets."""
    return secret.metadata.annotations.get(ACCOUNT_NAME, "") if secret.type == TOKEN_SECRET_TYPE else ""


def belongs(secret: Secret, account: ServiceAccount | None) -> bool:
    """Whether the account is the one that the Secret was made for."""
    if account is None or account.metadata.name != account_of(secret):
        return False
    uid = secret.metadata.annotations.get(ACCOUNT_UID, "")
    return not uid or uid == account.metadata.uid


def claims(secret: Secret, account: ServiceAccount) -> Mapping[str, Any]:
    """What the token says; it has no end, but dies with its Secret."""
    namespace, name = account.metadata.namespace, account.metadata.name
    return {
        "iss": LEGACY_ISSUER,
        "sub": username(namespace, name),
        f"{_CLAIM}/namespace": namespace,
        f"{_CLAIM}/secret.name": secret.metadata.name,
        f"{_CLAIM}/service-account.name": name,
        f"{_CLAIM}/service-account.uid": account.metadata.uid,
    }


def filled(secret: Secret, account: ServiceAccount, signer: jwt.Signer, authority: str) -> Secret | None:
    """The Secret with all that it should hold; None if it does."""
    data = dict(secret.data)
    if not data.get("token"):
        data["token"] = signer.sign(claims(secret, account)).encode()
    if authority:
        data["ca.crt"] = authority.encode()
    data["namespace"] = secret.metadata.namespace.encode()
    annotations = {**secret.metadata.annotations, ACCOUNT_UID: account.metadata.uid}
    if data == secret.data and annotations == secret.metadata.annotations:
        return None
    return replace(secret, metadata=replace(secret.metadata, annotations=annotations), data=data)


def build(env: Environment) -> Controller[Key]:
    """Keys are Secrets."""
    signer = env.settings.token_signer

    async def reconcile(key: Key, client: Client) -> None:
        secret = secrets.get(key[1], key[0])
        if secret is None or not account_of(secret) or signer is None:
            return
        account = accounts.get(account_of(secret), key[0])
        if account is None:
            account = await _look(client, account_of(secret), key[0])
        if account is not None and belongs(secret, account):
            made = filled(secret, account, signer, env.settings.cluster_authority)
            if made is not None:
                await client.update(made)
            return
        try:
            await client.delete(Secret, key[1], key[0], uid=secret.metadata.uid)
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise

    def account_changed(old: ServiceAccount | None, new: ServiceAccount | None) -> Iterable[Key]:
        found = new if new is not None else old
        assert found is not None
        return [key_of(s) for s in secrets.by_index(INDEX, f"{found.metadata.namespace}/{found.metadata.name}")]

    def secret_changed(old: Secret | None, new: Secret | None) -> Iterable[Key]:
        return (key_of(new),) if new is not None and account_of(new) else ()

    controller = env.controller("serviceaccount-token-controller", IDENTITY, reconcile, workers=1)
    secrets = controller.needs(Secret)
    secrets.add_index(INDEX, lambda s: (f"{s.metadata.namespace}/{account_of(s)}",) if account_of(s) else ())
    accounts = controller.on(ServiceAccount, account_changed)
    controller.on(Secret, secret_changed)
    return controller


async def _look(client: Client, name: str, namespace: str) -> ServiceAccount | None:
    """Ask the server: an account may have been made just before its Secret."""
    try:
        return await client.get(ServiceAccount, name, namespace)
    except StatusError as error:
        if error.code == NOT_FOUND:
            return None
        raise
