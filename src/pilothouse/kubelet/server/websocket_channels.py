"""Channels in a WebSocket: the first byte of a message (a digit, with base64) names the channel."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import deque

from pilothouse.kit.http.messages import ConnectionClosed, RawStream
from pilothouse.kit.http.websocket import NORMAL, WebSocket, WebSocketError

BUFFER = 256 * 1024
CLOSE_CHANNEL = 255


class Channel:
    """One channel: what the client sends on it is read here, what is written goes to it."""

    def __init__(self, channels: Channels, number: int) -> None:
        self._channels = channels
        self._number = number
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._ended = False
        self._changed = asyncio.Event()

    async def read(self) -> bytes:
        """Some bytes; b"" once the client has closed the channel or gone."""
        while not self._pieces:
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        self._channels.moved()
        return piece

    async def write(self, data: bytes) -> None:
        """Raises ConnectionClosed."""
        await self._channels.send(self._number, data)

    async def close_write(self) -> None:
        """WebSocket channels have no end of their own: the client sees the end of all."""

    def arrived(self, data: bytes) -> None:
        if data:
            self._pieces.append(data)
            self._buffered += len(data)
            self._changed.set()

    @property
    def full(self) -> bool:
        return self._buffered > BUFFER and not self._ended

    def end(self) -> None:
        self._ended = True
        self._changed.set()


class Channels:
    """All channels of a WebSocket; `run` must be running for anything to arrive. `version` 5 lets clients close one."""

    def __init__(self, stream: RawStream, readable: set[int], *, text: bool, version: int) -> None:
        self._socket = WebSocket(stream, server=True)
        self._text = text
        self._version = version
        self._readable = {number: Channel(self, number) for number in readable}
        self._room = asyncio.Event()

    def channel(self, number: int) -> Channel:
        return self._readable.get(number) or Channel(self, number)

    async def run(self) -> None:
        """Take in messages until the client is gone."""
        try:
            while (message := await self._socket.receive()) is not None:
                await self._take(message.data)
        except WebSocketError:
            pass
        finally:
            for channel in self._readable.values():
                channel.end()

    async def _take(self, data: bytes) -> None:
        if not data:
            return
        number, payload = data[0], data[1:]
        if self._text:
            number -= ord("0")
            try:
                payload = base64.b64decode(payload)
            except (binascii.Error, ValueError):
                return
        elif number == CLOSE_CHANNEL and self._version >= 5:
            if payload and (closed := self._readable.get(payload[0])) is not None:
                closed.end()
            return
        channel = self._readable.get(number)
        if channel is None:
            return
        channel.arrived(payload)
        while channel.full:
            self._room.clear()
            await self._room.wait()

    def moved(self) -> None:
        self._room.set()

    async def send(self, number: int, data: bytes) -> None:
        """Raises ConnectionClosed."""
        if self._text:
            await self._socket.send(b"%d" % number + base64.b64encode(data), text=True)
        else:
            await self._socket.send(bytes((number,)) + data)

    async def close(self) -> None:
        await self._socket.close(NORMAL)


class SocketBytes:
    """A WebSocket whose messages are a plain stream of bytes (a tunnel). Implements `kit.http.messages.RawStream`."""

    def __init__(self, stream: RawStream) -> None:
        self._socket = WebSocket(stream, server=True)

    async def read(self) -> bytes:
        try:
            while (message := await self._socket.receive()) is not None:
                if message.data:
                    return message.data
        except WebSocketError as error:
            raise ConnectionClosed(str(error)) from None
        return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send(data)

    async def close(self) -> None:
        await self._socket.close(NORMAL)
