"""A server on the loopback for tests, and a client that shows every byte."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from pilothouse.kit import tls
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.http.limits import Limits
from pilothouse.kit.http.messages import ConnectionClosed, Handler
from pilothouse.kit.http.server import Server

NOW = SystemClock().now()
AUTHORITY = tls.new_authority("test-ca", now=NOW)
SERVER_TLS = tls.server_context(AUTHORITY.issue_server("s", ["127.0.0.1"], now=NOW), AUTHORITY.certificate)


class Peer:
    """A raw client connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = text.strip().split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """An answer with a length or in chunks."""
        status, headers = await self.head()
        if headers.get("transfer-encoding") == "chunked":
            gathered = bytearray()
            while piece := await self.chunk():
                gathered += piece
            body = bytes(gathered)
            await self.reader.readuntil(b"\r\n")
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return status, headers, body

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        if size == 0:
            return b""
        data = await self.reader.readexactly(size + 2)
        return data[:-2]

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read(-1)
        return b""

    async def exchange(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        await self.send(data)
        return await self.answer()


class Served:
    """A running server and ways to reach it."""

    def __init__(self, server: Server, port: int, secure: bool) -> None:
        self.server, self.port, self._secure = server, port, secure
        self._peers: list[Peer] = []

    async def connect(self, client_tls: ssl.SSLContext | None = None) -> Peer:
        context = client_tls or (tls.client_context(AUTHORITY.certificate) if self._secure else None)
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port, ssl=context))
        self._peers.append(peer)
        return peer

    async def close(self) -> None:
        for peer in self._peers:
            peer.writer.close()
        await self.server.close()
        for peer in self._peers:
            with contextlib.suppress(OSError, ssl.SSLError):
                await peer.writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, limits: Limits | None = None, secure: bool = False, clock: Clock | None = None
) -> AsyncIterator[Served]:
    server = Server(handler, clock or SystemClock(), limits)
    _, port = await server.listen("127.0.0.1", 0, SERVER_TLS if secure else None)
    served = Served(server, port, secure)
    try:
        yield served
    finally:
        await served.close()


class MemoryStream:
    """One end of a raw connection in memory; `raw_pair` makes both. What was written is split as `cut` says."""

    def __init__(self, limit: int, cut: int) -> None:
        self._limit, self._cut = limit, cut
        self._incoming = bytearray()
        self._ended = False
        self._changed = asyncio.Event()
        self.other: MemoryStream

    async def read(self) -> bytes:
        while not self._incoming:
            if self._ended:
                return b""
            await self._wait()
        data = bytes(self._incoming[: self._cut])
        del self._incoming[: self._cut]
        self.other._changed.set()
        return data

    async def write(self, data: bytes) -> None:
        other = self.other
        if self._ended or other._ended:
            raise ConnectionClosed("closed")
        other._incoming += data
        other._changed.set()
        while len(other._incoming) > self._limit:
            if self._ended:
                raise ConnectionClosed("closed")
            await self._wait()

    async def close(self) -> None:
        for end in (self, self.other):
            end._ended = True
            end._changed.set()

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def raw_pair(limit: int = 64 * 1024, cut: int = 1 << 20) -> tuple[MemoryStream, MemoryStream]:
    """Two ends of a connection: a write waits while more than `limit` bytes are unread, a read gives at most `cut`."""
    near, far = MemoryStream(limit, cut), MemoryStream(limit, cut)
    near.other, far.other = far, near
    return near, far
