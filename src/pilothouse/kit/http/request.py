"""A request as it comes in: its head, and its body as far as it has arrived."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from pilothouse.kit.http.messages import BodyTooLarge, ConnectionClosed, Header

BODY_BUFFER = 256 * 1024
"""Bytes of a body that wait for their reader before the peer is made to wait."""
# Small pieces are gathered: a body sent byte by byte must not cost an object a byte.
_SMALL, _GATHERED, _MANY = 1024, 16 * 1024, 256


class Flow(Protocol):
    """The connection as a request's body sees it."""

    def send_continue(self) -> None:
        """Tell the peer to send the body it holds back."""
        ...

    def body_moved(self) -> None:
        """The amount of buffered body has changed: read on, or hold the peer up."""
        ...


class IncomingRequest:
    """Implements `messages.Request`; filled by the decoder, emptied by the handler."""

    __slots__ = (
        "_flow",
        "_pieces",
        "_waiter",
        "broken",
        "buffered",
        "complete",
        "discarding",
        "expects_continue",
        "headers",
        "keep_alive",
        "length",
        "method",
        "minor_version",
        "peer_certificate",
        "received",
        "remote",
        "target",
        "upgradable",
        "wholly",
    )

    def __init__(self, flow: Flow, remote: tuple[str, int], peer_certificate: bytes | None) -> None:
        self.method = ""
        self.target = b""
        self.headers: Sequence[Header] = ()
        self.remote = remote
        self.peer_certificate = peer_certificate
        self.minor_version = 1
        self.keep_alive = True
        self.expects_continue = False
        self.length: int | None = None
        """Content-Length, None without one."""
        self.received = 0
        self.buffered = 0
        self.complete = False
        self.broken = False
        self.discarding = False
        self.upgradable = False
        """It asked to leave HTTP, and has no body."""
        self.wholly = False
        """Its reader wants the body as a whole."""
        self._flow = flow
        self._pieces: deque[bytes | bytearray] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def header(self, name: bytes) -> bytes | None:
        for key, value in self.headers:
            if key == name:
                return value
        return None

    async def body(self, limit: int) -> bytes:
        if self.length is not None and self.length > limit:
            raise BodyTooLarge(limit)
        self.wholly = True
        self._begin_reading()
        pieces: list[bytes] = []
        size = 0
        while True:
            while self._pieces:
                piece = self._take()
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    raise BodyTooLarge(limit)
            if self.complete:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if len(pieces) > _MANY:
                pieces = [b"".join(pieces)]
            await self._wait()

    async def stream_body(self) -> AsyncIterator[bytes]:
        self._begin_reading()
        while True:
            while self._pieces:
                yield self._take()
            if self.complete:
                return
            await self._wait()

    @property
    def awaited(self) -> bool:
        """Whether a reader waits for bytes of the body right now."""
        return self._waiter is not None

    def arrived(self, piece: bytes) -> None:
        """Called by the decoder with each piece of the body."""
        self.received += len(piece)
        if self.discarding:
            return
        pieces = self._pieces
        if pieces is None:
            pieces = self._pieces = deque()
        if len(piece) >= _SMALL:
            pieces.append(piece)
        elif pieces and isinstance(last := pieces[-1], bytearray) and len(last) < _GATHERED:
            last += piece
        else:
            pieces.append(bytearray(piece))
        self.buffered += len(piece)
        self._wake()

    def completed(self) -> None:
        """Called by the decoder after the last piece."""
        self.complete = True
        self._wake()

    def broke(self) -> None:
        """The connection is gone before the body was complete."""
        self.broken = True
        self._wake()

    def discard(self) -> None:
        """Nobody will read the rest."""
        self.discarding = True
        self._pieces = None
        self.buffered = 0

    def _begin_reading(self) -> None:
        if self.expects_continue:
            self.expects_continue = False
            if not self.complete and not self.received:
                self._flow.send_continue()

    def _take(self) -> bytes:
        assert self._pieces
        piece = bytes(self._pieces.popleft())
        before = self.buffered
        self.buffered = before - len(piece)
        if before > BODY_BUFFER >= self.buffered:
            self._flow.body_moved()
        return piece

    async def _wait(self) -> None:
        if self.broken:
            raise ConnectionClosed("the body broke off")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
