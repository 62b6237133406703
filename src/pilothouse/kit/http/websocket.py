"""RFC 6455: WebSocket messages over a raw stream, either side; no extensions.

    socket = WebSocket(stream, server=True)
    message = await socket.receive()        # None once the peer has closed
    await socket.send(b"...")
    await socket.close(1000, "")

`receive` answers pings itself; a peer that breaks the protocol is told the close code that the RFC names, and
`receive` raises WebSocketError. Only one task may receive; any may send.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from pilothouse.kit.http.buffered import BufferedReader
from pilothouse.kit.http.messages import ConnectionClosed, Header, RawStream, Request

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_MESSAGE = 32 * 1024 * 1024
NORMAL, GOING_AWAY, PROTOCOL_ERROR, NOT_UTF8, TOO_BIG, INTERNAL = 1000, 1001, 1002, 1007, 1009, 1011
_ALLOWED_CODES = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class WebSocketError(Exception):
    """The peer broke the protocol; `code` is what it was told."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Message:
    """A whole message; `text` tells how it was sent (the data is valid UTF-8 then)."""

    data: bytes
    text: bool = False


class HandshakeFailure(Exception):
    """A request that asks for no WebSocket, or for one that we don't speak."""


def wants_websocket(request: Request) -> bool:
    """Whether `request` asks to become a WebSocket."""
    upgrade, connection = request.header(b"upgrade"), request.header(b"connection")
    if upgrade is None or connection is None:
        return False
    return upgrade.lower() == b"websocket" and b"upgrade" in [t.strip() for t in connection.lower().split(b",")]


def offered_protocols(request: Request) -> list[str]:
    """The subprotocols a client offers, in its order."""
    values = [value for name, value in request.headers if name == b"sec-websocket-protocol"]
    return [token.strip().decode("latin-1") for value in values for token in value.split(b",") if token.strip()]


def accept_headers(request: Request, protocol: str = "") -> list[Header]:
    """The headers of the 101 answer. Raises HandshakeFailure."""
    key = request.header(b"sec-websocket-key")
    if request.method != "GET":
        raise HandshakeFailure("bad method")
    if request.header(b"sec-websocket-version") != b"13":
        raise HandshakeFailure("missing or bad WebSocket Version")
    if key is None or not _is_key(key):
        raise HandshakeFailure("mismatch challenge/response")
    headers = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Accept", accept_key(key))]
    if protocol:
        headers.append((b"Sec-WebSocket-Protocol", protocol.encode("latin-1")))
    return headers


def client_headers(protocols: Sequence[str]) -> tuple[list[Header], bytes]:
    """The headers of a request for a WebSocket, and the Sec-WebSocket-Accept that must answer them."""
    key = base64.b64encode(os.urandom(16))
    headers = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Key", key),
        (b"Sec-WebSocket-Version", b"13"),
    ]
    if protocols:
        headers.append((b"Sec-WebSocket-Protocol", ", ".join(protocols).encode("latin-1")))
    return headers, accept_key(key)


def accept_key(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def encode_frame(opcode: int, data: bytes, *, final: bool = True, mask: bytes = b"") -> bytes:
    """One frame, masked if `mask` (4 bytes) is given."""
    size = len(data)
    first, masked = (0x80 if final else 0) | opcode, 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", first, masked | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    return head + mask + (apply_mask(data, mask) if mask else data)


def apply_mask(data: bytes, mask: bytes) -> bytes:
    """Mask or unmask: one big XOR, which is hundreds of times faster than a loop over bytes."""
    size = len(data)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")


class WebSocket:
    """One end of a WebSocket. `random` gives the client's masks (the operating system's bytes by default)."""

    def __init__(
        self,
        stream: RawStream,
        *,
        server: bool,
        limit: int = MAX_MESSAGE,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._stream = stream
        self._reader = BufferedReader(stream)
        self._server = server
        self._limit = limit
        self._random = random
        self._writing = asyncio.Lock()
        self._close_sent = False
        self.close_code: int | None = None
        """What the peer closed with: its code, 1005 without one, 1006 if it just went; None while open."""
        self.close_reason = ""

    async def receive(self) -> Message | None:
        """The next message, None once the peer has closed or gone. Raises WebSocketError."""
        if self.close_code is not None:
            return None
        try:
            return await self._receive()
        except ConnectionClosed:
            self.close_code = 1006
            return None
        except WebSocketError as error:
            self.close_code = error.code
            await self.close(error.code, str(error))
            raise

    async def send(self, data: bytes, text: bool = False) -> None:
        """Send one message. Raises ConnectionClosed."""
        if self._close_sent:
            raise ConnectionClosed("closed on this side")
        await self._send_frame(Opcode.TEXT if text else Opcode.BINARY, data)

    async def ping(self, data: bytes = b"") -> None:
        """Raises ConnectionClosed."""
        await self._send_frame(Opcode.PING, data)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye, once; the stream itself is left to its owner."""
        if self._close_sent:
            return
        self._close_sent = True
        text = reason.encode("utf-8")[:123].decode("utf-8", "ignore").encode("utf-8")
        try:
            await self._send_frame(Opcode.CLOSE, struct.pack("!H", code) + text)
        except ConnectionClosed:
            return

    async def _send_frame(self, opcode: Opcode, data: bytes) -> None:
        mask = b"" if self._server else self._random(4)
        frame = encode_frame(opcode, data, mask=mask)
        async with self._writing:
            await self._stream.write(frame)

    async def _receive(self) -> Message | None:
        pieces: list[bytes] = []
        size, kind = 0, None
        while True:
            final, opcode, data = await self._frame(self._limit - size)
            if opcode >= Opcode.CLOSE:
                if await self._control(opcode, data):
                    return None
                continue
            if (opcode == Opcode.CONTINUATION) != (kind is not None):
                raise WebSocketError(PROTOCOL_ERROR, "fragments out of order")
            kind = opcode if kind is None else kind
            pieces.append(data)
            size += len(data)
            if len(pieces) > 1000:
                pieces = [b"".join(pieces)]
            if final:
                break
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if kind == Opcode.TEXT and not _is_utf8(whole):
            raise WebSocketError(NOT_UTF8, "text is not UTF-8")
        return Message(whole, kind == Opcode.TEXT)

    async def _frame(self, limit: int) -> tuple[bool, int, bytes]:
        first, second = await self._reader.exactly(2)
        opcode, size = first & 0x0F, second & 0x7F
        if first & 0x70:
            raise WebSocketError(PROTOCOL_ERROR, "reserved bits are set")
        if opcode not in (0, 1, 2, 8, 9, 10):
            raise WebSocketError(PROTOCOL_ERROR, "unknown opcode")
        if bool(second & 0x80) != self._server:
            raise WebSocketError(PROTOCOL_ERROR, "a client must mask, a server must not")
        if opcode >= Opcode.CLOSE and (size > 125 or not first & 0x80):
            raise WebSocketError(PROTOCOL_ERROR, "control frames are short and whole")
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._reader.exactly(8))
        if size > limit and opcode < Opcode.CLOSE:
            raise WebSocketError(TOO_BIG, "the message is too big")
        mask = await self._reader.exactly(4) if self._server else b""
        data = await self._reader.exactly(size)
        return bool(first & 0x80), opcode, apply_mask(data, mask) if mask and data else data

    async def _control(self, opcode: int, data: bytes) -> bool:
        """Whether the peer has closed."""
        if opcode == Opcode.PING:
            await self._send_frame(Opcode.PONG, data)
            return False
        if opcode == Opcode.PONG:
            return False
        self.close_code = 1005
        if data:
            if len(data) < 2:
                raise WebSocketError(PROTOCOL_ERROR, "a close code has two bytes")
            (code,) = struct.unpack("!H", data[:2])
            if code not in _ALLOWED_CODES and not 3000 <= code < 5000:
                raise WebSocketError(PROTOCOL_ERROR, "no such close code")
            if not _is_utf8(data[2:]):
                raise WebSocketError(NOT_UTF8, "the reason is not UTF-8")
            self.close_code, self.close_reason = code, data[2:].decode("utf-8")
        await self.close(NORMAL if self.close_code == 1005 else self.close_code)
        return True


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
