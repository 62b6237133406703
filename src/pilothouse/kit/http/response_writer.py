"""The writing side of a connection: back-pressure, chunked framing, and the stream after an upgrade."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import cast

from pilothouse.kit.http.messages import ConnectionClosed
from pilothouse.kit.http.write_scheduler import WriteScheduler

READ_BUFFER = 256 * 1024
LEAST_BUFFER, WRITE_BUFFER = 4 * 1024, 256 * 1024
"""Bytes that wait for a slow peer before its writer has to, besides those in the socket beneath: transports over TLS
would let half a megabyte wait for each of thousands of watches; where there are few, it keeps long answers flowing."""


class ResponseWriter:
    """Writes to a transport and knows when its buffer is full."""

    __slots__ = ("_turns", "_waiters", "full", "half_open", "lost", "transport")

    def __init__(
        self, transport: asyncio.Transport, turns: WriteScheduler | None = None, write_buffer: int = WRITE_BUFFER
    ) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=write_buffer)
        self._turns = turns
        self.full = False
        self.lost = False
        self.half_open = transport.get_extra_info("sslcontext") is None
        """Whether the connection can go on after the peer has closed its side: TLS has no such thing."""
        self._waiters: list[asyncio.Future[None]] = []

    def close(self) -> None:
        """Close the connection once what was written is sent; nothing if it is closed already. asyncio's TLS transport
        lets go of what it needs for any later call when it is closed twice."""
        if not self.transport.is_closing():
            self.transport.close()

    def abort(self) -> None:
        """Close at once, also what is being closed: what is still to be sent is dropped."""
        self.transport.abort()

    def set_full(self, full: bool) -> None:
        """The transport's buffer has passed its high or its low mark."""
        self.full = full
        if not full:
            self._wake()

    def set_lost(self) -> None:
        """The peer is gone: writers hear of it."""
        self.lost = True
        self._wake()

    async def write(self, data: bytes) -> None:
        """Send; waits while the peer is slow. Raises ConnectionClosed."""
        if self.lost or self.transport.is_closing():
            raise ConnectionClosed("the peer is gone")
        self.transport.write(data)
        if self.full:
            await self.drain()

    async def write_block(self, data: bytes) -> None:
        """Send a part of a long answer, when it is its turn. Raises ConnectionClosed."""
        if self._turns is not None:
            await self._turns.take()
        await self.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken what was written. Raises ConnectionClosed."""
        while self.full and not self.lost:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self.lost:
            raise ConnectionClosed("the peer is gone")

    def end(self) -> None:
        """Nothing more from this side, where the transport can say so."""
        transport = self.transport
        if not self.lost and not transport.is_closing() and transport.can_write_eof():
            # A peer that has just reset the connection is told of in its own way.
            with contextlib.suppress(OSError):
                transport.write_eof()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class ChunkSink:
    """Implements `messages.Sink`: each write is a chunk, or plain bytes to a client that knows no chunks."""

    __slots__ = ("_chunked", "_ended", "_tail", "_writer")

    def __init__(self, writer: ResponseWriter, chunked: bool, tail: bytes, ended: Callable[[], None]) -> None:
        self._writer = writer
        self._chunked = chunked
        self._tail = tail
        self._ended = ended

    def write(self, data: bytes) -> bool:
        writer = self._writer
        if data and not writer.lost and not writer.transport.is_closing():
            writer.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        return not writer.full

    def end(self) -> None:
        if self._chunked and not self._writer.lost and not self._writer.transport.is_closing():
            self._writer.transport.write(self._tail)
        self._ended()


class ConnectionStream:
    """Implements `messages.RawStream` over a transport; the connection's protocol feeds it."""

    def __init__(self, writer: ResponseWriter, first: bytes = b"") -> None:
        self._writer = writer
        self._pieces: deque[bytes] = deque([first] if first else [])
        self._buffered = len(first)
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._paused = False

    async def read(self) -> bytes:
        while not self._pieces:
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        if self._paused and self._buffered <= READ_BUFFER // 2:
            self._paused = False
            if not self._writer.lost:
                self._writer.transport.resume_reading()
        return piece

    async def write(self, data: bytes) -> None:
        await self._writer.write(data)

    async def close_write(self) -> None:
        """No more from this side, where the transport can say so (TLS cannot); reading goes on."""
        self._writer.end()

    async def close(self) -> None:
        self.feed_end()
        self._writer.close()

    def abort(self) -> None:
        """Close at once: what is still to be sent is dropped."""
        self.feed_end()
        self._writer.abort()

    def feed(self, data: bytes) -> None:
        """Bytes have arrived."""
        self._pieces.append(data)
        self._buffered += len(data)
        if self._buffered > READ_BUFFER and not self._paused:
            self._paused = True
            self._writer.transport.pause_reading()
        self._wake()

    def feed_end(self) -> None:
        """No more will arrive."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class EndedStream:
    """Implements `messages.RawStream` where there is no peer: at its end from the start, and nothing can be sent."""

    async def read(self) -> bytes:
        return b""

    async def write(self, data: bytes) -> None:
        raise ConnectionClosed("the peer is gone")

    async def close(self) -> None: ...


class Dialed(asyncio.Protocol):
    """The protocol of a connection that we have opened: all of it is `stream`."""

    stream: ConnectionStream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._writer = ResponseWriter(cast(asyncio.Transport, transport))
        self.stream = ConnectionStream(self._writer)

    def data_received(self, data: bytes) -> None:
        self.stream.feed(data)

    def eof_received(self) -> bool:
        self.stream.feed_end()
        return self._writer.half_open

    def connection_lost(self, error: Exception | None) -> None:
        self._writer.set_lost()
        self.stream.feed_end()

    def pause_writing(self) -> None:
        self._writer.set_full(True)

    def resume_writing(self) -> None:
        self._writer.set_full(False)
