"""SPDY/3.1: many streams over one raw stream, either side, as kubectl's and containerd's spdystream speak it.

    connection = SpdyConnection(raw, server=True)
    scope.spawn(connection.run(), "spdy")            # reads frames until the end
    stream = await connection.accept()               # None once no more will come
    await stream.reply()
    ...
    await connection.close()

spdystream neither sends nor heeds window updates and drops data that comes before a stream's reply. So flow control
is on only where asked for, or once the peer has shown that it does it, and `open` waits for the reply. (Updates that
nobody needs do harm: one that reaches a peer which has just closed resets the connection, and what we had not read yet
is lost.) What bounds memory in every case: a stream's unread data over STREAM_BUFFER holds the whole connection up.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Mapping

from pilothouse.kit.http.buffered import BufferedReader
from pilothouse.kit.http.messages import ConnectionClosed, RawStream
from pilothouse.kit.http.spdy_frames import (
    FIN,
    MAX_CONTROL,
    UNIDIRECTIONAL,
    VERSION,
    FrameType,
    HeaderCompressor,
    HeaderDecompressor,
    ResetStatus,
    SpdyError,
    control_frame,
    data_frame,
)

STREAM_BUFFER = 256 * 1024
INITIAL_WINDOW = 64 * 1024
MAX_STREAMS = 1000
FRAME_DATA = 32 * 1024


class StreamReset(ConnectionClosed):
    """The peer has reset the stream, or refused it."""


class SpdyStream:
    """One stream: bytes both ways, each way with an end of its own."""

    def __init__(self, connection: SpdyConnection, identity: int, headers: Mapping[str, str]) -> None:
        self.id = identity
        self.headers = headers
        """As the opener sent them, names in lower case."""
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._consumed = 0
        self._window = INITIAL_WINDOW
        self.read_ended = False
        self.write_ended = False
        self._reset = False
        self._finished = False
        self._replied = False
        self._changed: set[asyncio.Future[None]] = set()

    async def read(self) -> bytes:
        """Some bytes; b"" at the end. Raises StreamReset."""
        while not self._pieces:
            if self._reset and not self._finished:
                raise StreamReset(f"stream {self.id} was reset")
            if self.read_ended:
                return b""
            await self._wait()
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        self._consumed += len(piece)
        self.wake()
        if self._connection.windows and self._consumed >= INITIAL_WINDOW // 2 and not self.read_ended:
            await self.give_window()
        return piece

    async def give_window(self) -> None:
        """Tell the peer how much has been read since it was last told."""
        grown, self._consumed = self._consumed, 0
        if grown:
            payload = struct.pack("!II", self.id, grown)
            await self._connection.send_quietly(control_frame(FrameType.WINDOW_UPDATE, payload))

    async def write(self, data: bytes) -> None:
        """Write all; waits while the peer is slow. Raises ConnectionClosed."""
        view = memoryview(data)
        while view:
            self._check_writable()
            room = len(view)
            if self._connection.windows:
                if self._window <= 0:
                    await self._wait()
                    continue
                room = self._window
            piece = bytes(view[: min(room, FRAME_DATA)])
            view = view[len(piece) :]
            self._window -= len(piece)
            await self._connection.send(data_frame(self.id, piece))

    async def close_write(self) -> None:
        """No more from this side. Idempotent."""
        if not self.write_ended:
            self.write_ended = True
            await self._connection.send_quietly(data_frame(self.id, b"", FIN))
            self._connection.settle(self)

    async def close(self) -> None:
        """Let go of both ways: a reset, unless both have ended. Idempotent."""
        if not (self.write_ended and self.read_ended):
            await self.reset(ResetStatus.CANCEL)

    async def reset(self, status: ResetStatus) -> None:
        """End both ways at once. Idempotent."""
        if not self._reset:
            self.broke()
            payload = struct.pack("!II", self.id, status)
            await self._connection.send_quietly(control_frame(FrameType.RST_STREAM, payload))
            self._connection.settle(self)

    async def reply(self, headers: Mapping[str, str] | None = None) -> None:
        """Accept a stream that the peer has opened: before anything is written to it. Raises ConnectionClosed."""
        if not self._replied:
            self._replied = True
            await self._connection.send_headers(FrameType.SYN_REPLY, struct.pack("!I", self.id), headers or {})

    async def wait_reply(self) -> None:
        """Wait until the peer has accepted the stream. Raises StreamReset."""
        while not self._replied:
            self._check_writable()
            await self._wait()

    # What the connection calls.

    def arrived(self, data: bytes) -> None:
        self._pieces.append(data)
        self._buffered += len(data)
        self.wake()

    async def wait_room(self) -> None:
        """Until the reader has caught up."""
        while self._buffered > STREAM_BUFFER and not self._reset:
            await self._wait()

    def replied(self) -> None:
        self._replied = True
        self.wake()

    def ended(self) -> None:
        """The peer has closed its way."""
        self.read_ended = self._finished = True
        self.wake()

    def broke(self) -> None:
        """Nothing works any more: reset, or the connection is gone."""
        self._reset = self.read_ended = self.write_ended = True
        self.wake()

    def grew(self, amount: int) -> None:
        self._window += amount
        self.wake()

    def wake(self) -> None:
        for waiter in self._changed:
            if not waiter.done():
                waiter.set_result(None)

    def _check_writable(self) -> None:
        if self._reset:
            raise StreamReset(f"stream {self.id} was reset")
        if self.write_ended:
            raise ConnectionClosed(f"stream {self.id} is closed on this side")

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._changed.add(waiter)
        try:
            await waiter
        finally:
            self._changed.discard(waiter)


class SpdyConnection:
    """All streams of one raw stream. `run` must be running for anything to arrive."""

    def __init__(self, stream: RawStream, *, server: bool, windows: bool = False) -> None:
        self.windows = windows
        """Whether there is flow control: asked for, or shown by the peer."""
        self._stream = stream
        self._reader = BufferedReader(stream)
        self._compressor = HeaderCompressor()
        self._decompressor = HeaderDecompressor()
        self._writing = asyncio.Lock()
        self._streams: dict[int, SpdyStream] = {}
        self._arrivals: asyncio.Queue[SpdyStream | None] = asyncio.Queue()
        self._server = server
        self._next = 2 if server else 1
        self._last = 0
        self._over = False
        self._gone_away = False
        self._pings: dict[int, asyncio.Future[None]] = {}
        self._next_ping = 2 if server else 1

    async def open(self, headers: Mapping[str, str]) -> SpdyStream:
        """Open a stream and wait until the peer accepts it. Raises StreamReset, ConnectionClosed."""
        if self._over or self._gone_away:
            raise ConnectionClosed("the connection is going away")
        stream = SpdyStream(self, self._next, headers)
        self._next += 2
        self._streams[stream.id] = stream
        await self.send_headers(FrameType.SYN_STREAM, struct.pack("!IIBB", stream.id, 0, 0, 0), headers)
        await stream.wait_reply()
        return stream

    async def accept(self) -> SpdyStream | None:
        """The next stream that the peer opens; None once no more will come."""
        if self._over and self._arrivals.empty():
            return None
        return await self._arrivals.get()

    async def ping(self) -> None:
        """Return when the peer has answered. Raises ConnectionClosed."""
        identity = self._next_ping
        self._next_ping += 2
        waiter = self._pings[identity] = asyncio.get_running_loop().create_future()
        try:
            await self.send(control_frame(FrameType.PING, struct.pack("!I", identity)))
            await waiter
        finally:
            self._pings.pop(identity, None)

    async def close(self) -> None:
        """Say goodbye and close the raw stream; open streams break."""
        if not self._over:
            await self.send_quietly(control_frame(FrameType.GOAWAY, struct.pack("!II", self._last, 0)))
            self._end()
        await self._stream.close()

    async def run(self) -> None:
        """Read frames until the peer is gone. Raises SpdyError if it breaks the protocol."""
        try:
            while not self._over and not await self._reader.ended():
                first, second = struct.unpack("!II", await self._reader.exactly(8))
                if first & 0x80000000:
                    await self._control(first, second >> 24, second & 0xFFFFFF)
                else:
                    await self._data(first, second >> 24, second & 0xFFFFFF)
        except ConnectionClosed:
            pass
        finally:
            self._end()

    async def send(self, frame: bytes) -> None:
        """Raises ConnectionClosed."""
        async with self._writing:
            if self._over:
                raise ConnectionClosed("the connection is closed")
            await self._stream.write(frame)

    async def send_quietly(self, frame: bytes) -> None:
        """Send what nobody misses if the peer is gone."""
        try:
            await self.send(frame)
        except ConnectionClosed:
            return

    async def send_headers(self, kind: FrameType, prefix: bytes, headers: Mapping[str, str]) -> None:
        """Send a frame with a header block: blocks must leave in the order they were compressed."""
        async with self._writing:
            if self._over:
                raise ConnectionClosed("the connection is closed")
            await self._stream.write(control_frame(kind, prefix + self._compressor.encode(headers)))

    def settle(self, stream: SpdyStream) -> None:
        """Forget `stream` once both its ways have ended."""
        if stream.read_ended and stream.write_ended:
            self._streams.pop(stream.id, None)

    def _end(self) -> None:
        self._over = True
        for stream in list(self._streams.values()):
            stream.broke()
        self._streams.clear()
        for waiter in self._pings.values():
            if not waiter.done():
                waiter.set_exception(ConnectionClosed("the connection is closed"))
        self._arrivals.put_nowait(None)

    async def _data(self, identity: int, flags: int, size: int) -> None:
        stream = self._streams.get(identity)
        while size:
            piece = await self._reader.some(size)
            if not piece:
                raise ConnectionClosed("the stream ended")
            size -= len(piece)
            if stream is not None and not stream.read_ended:
                stream.arrived(piece)
                await stream.wait_room()
        if stream is not None and flags & FIN:
            stream.ended()
            self.settle(stream)

    async def _control(self, first: int, flags: int, size: int) -> None:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if size > MAX_CONTROL:
            raise SpdyError("control frame too large")
        payload = await self._reader.exactly(size)
        if version != VERSION:
            raise SpdyError(f"version {version} is not spoken")
        try:
            if kind == FrameType.SYN_STREAM:
                await self._opened(payload, flags)
            elif kind in (FrameType.SYN_REPLY, FrameType.HEADERS):
                self._headers(kind, payload, flags)
            elif kind == FrameType.RST_STREAM:
                self._was_reset(payload)
            elif kind == FrameType.PING:
                await self._pinged(payload)
            elif kind == FrameType.WINDOW_UPDATE:
                await self._window(payload)
            elif kind == FrameType.GOAWAY:
                self._gone_away = True
            elif kind == FrameType.SETTINGS:
                pass
        except struct.error as error:
            raise SpdyError("short control frame") from error

    async def _opened(self, payload: bytes, flags: int) -> None:
        identity = struct.unpack_from("!I", payload)[0] & 0x7FFFFFFF
        headers = self._decompressor.decode(payload[10:])
        if identity <= self._last or identity % 2 != int(self._server):
            raise SpdyError(f"bad stream id {identity}")
        self._last = identity
        if len(self._streams) >= MAX_STREAMS:
            refusal = struct.pack("!II", identity, ResetStatus.REFUSED_STREAM)
            await self.send(control_frame(FrameType.RST_STREAM, refusal))
            return
        stream = self._streams[identity] = SpdyStream(self, identity, headers)
        if flags & FIN:
            stream.ended()
        stream.write_ended = bool(flags & UNIDIRECTIONAL)
        self.settle(stream)
        self._arrivals.put_nowait(stream)

    def _headers(self, kind: int, payload: bytes, flags: int) -> None:
        (identity,) = struct.unpack_from("!I", payload)
        self._decompressor.decode(payload[4:])
        stream = self._streams.get(identity & 0x7FFFFFFF)
        if stream is None:
            return
        if kind == FrameType.SYN_REPLY:
            stream.replied()
        if flags & FIN:
            stream.ended()
            self.settle(stream)

    def _was_reset(self, payload: bytes) -> None:
        identity, _ = struct.unpack("!II", payload)
        stream = self._streams.pop(identity & 0x7FFFFFFF, None)
        if stream is not None:
            stream.broke()

    async def _pinged(self, payload: bytes) -> None:
        (identity,) = struct.unpack("!I", payload)
        if identity % 2 == int(self._server):
            await self.send(control_frame(FrameType.PING, payload))
            return
        waiter = self._pings.get(identity)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _window(self, payload: bytes) -> None:
        identity, grown = struct.unpack("!II", payload)
        if not self.windows:
            self.windows = True
            for waiting in list(self._streams.values()):
                await waiting.give_window()
        stream = self._streams.get(identity & 0x7FFFFFFF)
        if stream is not None:
            stream.grew(grown & 0x7FFFFFFF)
