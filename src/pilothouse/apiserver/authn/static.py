"""Tokens known beforehand, for tests, benchmarks and the cluster's own components."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.interface import Authentication


class StaticTokens:
    """A fixed table from token to user, good for the API server's own audiences only."""

    def __init__(self, users: Mapping[str, UserInfo], audiences: tuple[str, ...] = ()) -> None:
        self._known = {token: Authentication(user, audiences) for token, user in users.items()}
        self._audiences = frozenset(audiences)

    def authenticate_token(self, token: str, audiences: tuple[str, ...]) -> Authentication | None:
        if audiences and self._audiences.isdisjoint(audiences):
            return None
        return self._known.get(token)
