"""Bootstrap tokens: `id.secret` of a Secret in kube-system, for nodes that have no identity yet."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import datetime

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Secret
from pilothouse.apiserver.authn.interface import Authentication
from pilothouse.apiserver.reader import Reader
from pilothouse.kit.clock import Clock

_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
SECRET_TYPE = "bootstrap.kubernetes.io/token"
SECRET_PREFIX = "bootstrap-token-"
DEFAULT_GROUP = "system:bootstrappers"


class BootstrapTokens:
    """Looks tokens up in their Secrets; what is not exactly right is nobody's token."""

    def __init__(self, reader: Reader, clock: Clock, audiences: tuple[str, ...]) -> None:
        self._reader = reader
        self._clock = clock
        self._audiences = audiences

    def authenticate_token(self, token: str, audiences: tuple[str, ...]) -> Authentication | None:
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        good_for = tuple(a for a in self._audiences if a in audiences) if audiences else self._audiences
        if not good_for:
            return None
        identity, secret = match.groups()
        stored = self._reader.get(Secret, SECRET_PREFIX + identity, "kube-system")
        if stored is None or stored.metadata.deletion_timestamp or stored.type != SECRET_TYPE:
            return None
        groups = _groups_of(_texts(stored.data), identity, secret, self._clock.now())
        if groups is None:
            return None
        return Authentication(UserInfo(username=f"system:bootstrap:{identity}", groups=groups), good_for)


def _texts(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: value.decode("utf-8", "replace") for key, value in data.items()}


def _groups_of(data: Mapping[str, str], identity: str, secret: str, now: float) -> tuple[str, ...] | None:
    """The groups that the Secret gives to its token; None if this is not its token or it is no good now."""
    if not hmac.compare_digest(data.get("token-secret", "").encode(), secret.encode()):
        return None
    if data.get("token-id") != identity or data.get("usage-bootstrap-authentication") != "true":
        return None
    if (expires := data.get("expiration")) and not _later(expires, now):
        return None
    extra = [g.strip() for g in data["auth-extra-groups"].split(",")] if data.get("auth-extra-groups") else []
    if any(not _GROUP.fullmatch(g) for g in extra):
        return None
    return (DEFAULT_GROUP, *sorted(set(extra)))


def _later(expires: str, now: float) -> bool:
    try:
        moment = datetime.fromisoformat(expires)
    except ValueError:
        return False
    return moment.tzinfo is not None and moment.timestamp() > now
