"""The reading side of a connection: bytes become requests, no faster than they are taken."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pilothouse.kit.http.decoder import RequestDecoder
from pilothouse.kit.http.head_budget import SMALL, HeadBudget
from pilothouse.kit.http.heads import BadRequest
from pilothouse.kit.http.request import BODY_BUFFER, IncomingRequest

SLICE = 64 * 1024
"""Bytes that are parsed at once: at most a few thousand of the smallest requests."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestReader:
    """Parses what has arrived only while nothing parsed waits; the transport is paused as long as bytes wait."""

    def __init__(
        self,
        transport: asyncio.Transport,
        head_limit: int,
        heads: HeadBudget,
        remote: tuple[str, int],
        certificate: bytes | None,
        moved: Callable[[], None],
    ) -> None:
        self.refused: BadRequest | None = None
        """Set once the peer has sent what is no request; nothing is parsed after that."""
        self._transport = transport
        self._remote = remote
        self._certificate = certificate
        self._moved = moved
        self._backlog: deque[bytes] = deque()
        self._held = self._large_head = self._cut_off = False
        self._heads = heads
        self._decoder = RequestDecoder(self._make_request, head_limit)

    @property
    def in_head(self) -> bool:
        """Whether a head has begun and is not complete."""
        return self._decoder.in_head

    @property
    def waiting(self) -> bool:
        """Whether requests have arrived that nobody has taken."""
        return bool(self._decoder.ready)

    def arrived(self, data: bytes) -> None:
        """Bytes from the peer."""
        if self._cut_off:
            return
        self._backlog.append(data)
        self.pump()
        if self._large_head or self._decoder.head_bytes > SMALL:
            self._count_head()

    def take(self) -> IncomingRequest | None:
        """The next request, in the order sent."""
        ready = self._decoder.ready
        if not ready:
            self.pump()
        return ready.popleft() if ready else None

    def pump(self) -> None:
        """Parse on where that is wanted, and let the transport read, or not."""
        backlog, decoder = self._backlog, self._decoder
        if not backlog and not self._held and decoder.current is None:
            return  # nothing to parse, and the transport reads
        while backlog and (not decoder.ready or decoder.current is not None) and not self._body_full():
            self._parse(backlog.popleft())
        if self._held != bool(backlog or self._body_full()):
            self._held = not self._held
            if self._held:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def resume(self) -> None:
        """The last request asked for an upgrade and did not get it: what followed is HTTP."""
        self._backlog.appendleft(self._decoder.resume())

    def leave(self) -> bytes:
        """The connection is no longer HTTP: what has arrived after the last request."""
        rest = self._decoder.remainder + b"".join(self._backlog)
        self._backlog.clear()
        if self._held:
            self._held = False
            self._transport.resume_reading()
        return rest

    def end(self) -> None:
        """Nothing more will be read."""
        self._heads.released(self)
        self._backlog.clear()
        self._decoder.ready.clear()
        if self._decoder.current is not None:
            self._decoder.current.broke()

    def cut_off(self) -> None:
        """Close at once: the heads that are on their way take too much."""
        self._cut_off = True
        self._transport.abort()

    def _count_head(self) -> None:
        """Tell of a large head that is on its way, or that there is none any more."""
        size = self._decoder.head_bytes
        self._large_head = size > SMALL
        if self._large_head:
            self._heads.grown(self, size)
        else:
            self._heads.released(self)

    def send_continue(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_CONTINUE)

    def body_moved(self) -> None:
        asyncio.get_running_loop().call_soon(self._moved)

    def _make_request(self) -> IncomingRequest:
        return IncomingRequest(self, self._remote, self._certificate)

    def _body_full(self) -> bool:
        current = self._decoder.current
        return current is not None and current.buffered > BODY_BUFFER

    def _parse(self, data: bytes) -> None:
        if len(data) > SLICE:
            self._backlog.appendleft(data[SLICE:])
            data = data[:SLICE]
        try:
            self._decoder.feed(data)
        except BadRequest as refused:
            self.refused = refused
            self._backlog.clear()
            if self._decoder.current is not None:
                self._decoder.current.broke()
