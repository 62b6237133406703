"""The seam of authentication: authenticators look at a request's head, and never wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pilothouse.api.types.authentication.v1 import UserInfo


class RequestHead(Protocol):
    """What an authenticator sees of a request (`kit.http.messages.Request` is one)."""

    headers: Sequence[tuple[bytes, bytes]]
    peer_certificate: bytes | None

    def header(self, name: bytes) -> bytes | None: ...


class BadCredentials(Exception):
    """Credentials were shown and are no good. The text is for the log; the sender gets a plain 401."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who it is, for which audiences (empty: those of the API server), and warnings to send along."""

    user: UserInfo
    audiences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Authenticator(Protocol):
    """One way to tell who sends a request."""

    def authenticate(self, head: RequestHead) -> Authentication | None:
        """Who sends it; None if it shows no credentials of this kind. Raises BadCredentials."""
        ...


class TokenAuthenticator(Protocol):
    """One kind of bearer token."""

    def authenticate_token(self, token: str, audiences: tuple[str, ...]) -> Authentication | None:
        """Whose token it is, good for at least one of `audiences` (empty: the API server's own); None if it is not
        of this kind. Raises BadCredentials."""
        ...
