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
    """A request whose head has arrived. What it holds is the handler's to read, not to change."""

    method: str
    target: bytes
    """The request target as sent: path and query, percent-encoded; an absolute form loses scheme and host."""
    headers: Sequence[Header]
    """Names in lower case, in the order sent."""
    remote: tuple[str, int]
    peer_certificate: bytes | None
    """DER of the client's certificate, verified against the server's client CA; None without one. The same object for
    every request of a connection."""

    @property
    def complete(self) -> bool:
        """Whether all of the body has arrived, so that nobody need wait for it."""
        ...

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case)."""
        ...

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises BodyTooLarge, ConnectionClosed."""
        ...

    def stream_body(self) -> AsyncIterator[bytes]:
        """The body in pieces, for proxies. Raises ConnectionClosed when it breaks off."""
        ...


class Sink(Protocol):
    """Where a Feed puts its chunks."""

    def write(self, data: bytes) -> bool:
        """Send `data` as one chunk. False: the peer is slow; hold back until `Feed.writable` is called (what is written
        nevertheless is buffered without bound)."""
        ...

    def end(self) -> None:
        """The answer is complete."""
        ...


class Feed(Protocol):
    """A body that is pushed by whoever has news, with no task of its own: for thousands of watches."""

    def started(self, sink: Sink) -> None:
        """The head is sent; `sink` takes chunks from now on."""
        ...

    def writable(self) -> None:
        """The peer has caught up after a write that returned False."""
        ...

    def stopped(self) -> None:
        """The peer is gone; `sink` must not be used any more. Not called after `sink.end()`."""
        ...


Body = bytes | Sequence[bytes] | AsyncIterator[bytes] | Feed


@dataclass(slots=True)
class Response:
    """An answer. `body` is bytes (sent with Content-Length), a sequence of chunks (the same, joined on the wire),
    an async iterator (sent chunked, each piece flushed; cancelled and closed when the peer goes away), or a Feed
    (sent chunked). With an async iterator, `content-length` among `headers` sends it with that length instead.
    An empty `content_type` sends none. `sent` is called once when the body has been handed to the transport, or
    never will be."""

    status: int
    body: Body = b""
    content_type: bytes = b"application/json"
    headers: Sequence[Header] = ()
    close: bool = False
    trailers: Sequence[Header] = field(default=())
    sent: Callable[[], None] | None = None


@dataclass(slots=True)
class Upgrade:
    """An answer that takes the connection over: `status` and `headers` are sent, then `run` owns the stream;
    the connection closes when `run` returns. `reason` replaces the standard reason phrase."""

    headers: Sequence[Header]
    run: Callable[[RawStream], Awaitable[None]]
    status: int = 101
    reason: bytes = b""


Answer = Response | Upgrade
Handler = Callable[[Request], "Answer | Awaitable[Answer]"]
"""A handler that can answer at once returns the answer itself, which spares the server a task."""
