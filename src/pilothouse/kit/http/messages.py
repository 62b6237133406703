"""What a handler gets and gives: the seam between the HTTP server and those who answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Header = tuple[bytes, bytes]


class ConnectionClosed(Exception):
    """The peer is gone."""


class BodyTooLarge(Exception):
    """The request's body is larger than the limit that its reader gave."""


class RawStream(Protocol):
    """The bytes of a connection after an upgrade, both ways, with back-pressure."""

    async def read(self) -> bytes:
        """Some bytes, or b"" once the peer has closed its side."""
        ...

    async def write(self, data: bytes) -> None:
        """Send; waits while the peer is slow. Raises ConnectionClosed."""
        ...

    async def close(self) -> None: ...


class Request(Protocol):
    """A request whose head has arrived."""

    method: str
    target: bytes
    """The request target as sent: path and query, still percent-encoded."""
    headers: Sequence[Header]
    """Names in lower case, in the order sent."""
    remote: tuple[str, int]
    peer_certificate: bytes | None
    """DER of the client's certificate, verified against the server's client CA; None without one."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case)."""
        ...

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises BodyTooLarge, ConnectionClosed."""
        ...

    def stream_body(self) -> AsyncIterator[bytes]:
        """The body in pieces, for proxies."""
        ...


@dataclass(slots=True)
class Response:
    """An answer. `body` is bytes (sent with Content-Length), a sequence of chunks (the same, joined on the wire),
    or an async iterator (sent chunked, each piece flushed; cancelled when the peer goes away)."""

    status: int
    body: bytes | Sequence[bytes] | AsyncIterator[bytes] = b""
    content_type: bytes = b"application/json"
    headers: Sequence[Header] = ()
    close: bool = False
    trailers: Sequence[Header] = field(default=())


@dataclass(slots=True)
class Upgrade:
    """An answer that takes the connection over: status 101 and `headers` are sent, then `run` owns the stream;
    the connection closes when `run` returns."""

    headers: Sequence[Header]
    run: Callable[[RawStream], Awaitable[None]]
    status: int = 101


Answer = Response | Upgrade
Handler = Callable[[Request], "Answer | Awaitable[Answer]"]
"""A handler that can answer at once returns the answer itself, which spares the server a task."""
