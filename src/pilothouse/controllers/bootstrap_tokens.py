"""Bootstrap tokens: those that have expired are deleted; those for signing sign the cluster-info ConfigMap."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.time import parse_time
from pilothouse.api.types.core.v1 import ConfigMap, Secret
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of

TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"
INFO_NAMESPACE, INFO_NAME, KUBECONFIG = "kube-public", "cluster-info", "kubeconfig"
SIGNATURE = "jws-kubeconfig-"
NOT_FOUND = 404


def field(secret: Secret, name: str) -> str:
    return secret.data.get(name, b"").decode("utf-8", "replace")


def expires_in(secret: Secret, now: float) -> float | None:
    """Seconds until a token expires; None if it never does. A time that is none counts as past."""
    text = field(secret, "expiration")
    if not text:
        return None
    try:
        return max(parse_time(text) - now, 0.0)
    except ValueError:
        return 0.0


def signature(content: str, identity: str, secret: str) -> str:
    """The detached JWS of `content` under a token."""
    header = _encoded(json.dumps({"alg": "HS256", "kid": identity}, separators=(",", ":")).encode())
    signed = f"{header}.{_encoded(content.encode())}".encode()
    return f"{header}..{_encoded(hmac.new(secret.encode(), signed, hashlib.sha256).digest())}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(data: Mapping[str, str], tokens: Iterable[Secret], now: float) -> dict[str, str]:
    """The ConfigMap's data with the signatures of all tokens that may sign, and no others."""
    found = {k: v for k, v in data.items() if not k.startswith(SIGNATURE)}
    for token in tokens:
        identity, secret = field(token, "token-id"), field(token, "token-secret")
        if not identity or not secret or field(token, "usage-bootstrap-signing") != "true":
            continue
        if expires_in(token, now) != 0.0 and KUBECONFIG in data:
            found[f"{SIGNATURE}{identity}"] = signature(data[KUBECONFIG], identity, secret)
    return found


def build_cleaner(env: Environment) -> Controller[Key]:
    """Keys are Secrets."""

    async def reconcile(key: Key, client: Client) -> None:
        secret = secrets.get(key[1], key[0])
        wait = expires_in(secret, env.clock.now()) if secret is not None else None
        if secret is None or wait is None:
            return
        if wait > 0:
            controller.queue.add_after(key, wait)
            return
        try:
            await client.delete(Secret, key[1], key[0], uid=secret.metadata.uid)
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise

    controller = env.controller("token-cleaner-controller", "token-cleaner", reconcile, workers=1)
    secrets = controller.on(Secret, _tokens)
    return controller


def _tokens(old: Secret | None, new: Secret | None) -> tuple[Key, ...]:
    found = new if new is not None and new.type == TYPE and new.metadata.namespace == NAMESPACE else None
    return (key_of(found),) if found is not None else ()


def build_signer(env: Environment) -> Controller[str]:
    """One key: the ConfigMap."""

    async def reconcile(key: str, client: Client) -> None:
        info = maps.get(INFO_NAME, INFO_NAMESPACE)
        if info is None or KUBECONFIG not in info.data:
            return
        tokens = [s for s in secrets.list(NAMESPACE) if s.type == TYPE]
        data = signed(info.data, tokens, env.clock.now())
        if data != info.data:
            await client.update(msgspec.structs.replace(info, data=data))

    def token_changed(old: Secret | None, new: Secret | None) -> tuple[str, ...]:
        found = new if new is not None else old
        assert found is not None
        return ("info",) if found.type == TYPE and found.metadata.namespace == NAMESPACE else ()

    def info_changed(old: ConfigMap | None, new: ConfigMap | None) -> tuple[str, ...]:
        return ("info",) if new is not None and key_of(new) == (INFO_NAMESPACE, INFO_NAME) else ()

    controller = env.controller("bootstrap-signer-controller", "bootstrap-signer", reconcile, workers=1)
    secrets = controller.on(Secret, token_changed)
    maps = controller.on(ConfigMap, info_changed)
    return controller
