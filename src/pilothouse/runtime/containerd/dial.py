"""Connections to containerd's streaming server, and into pods' networks."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import threading
from urllib.parse import urlsplit

from pilothouse.kit.http.messages import ConnectionClosed
from pilothouse.seams.runtime import RuntimeFailure
from pilothouse.seams.streams import StreamClosed

CLONE_NEWNET = 0x40000000
PIECE = 64 << 10
HEAD_LIMIT = 64 << 10
SWITCHING = "101"


class SocketStream:
    """A TCP connection as `kit.http.messages.RawStream` and as `seams.streams.ByteStream`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(PIECE)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise Gone("the connection is closed")
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Gone(str(error)) from None

    async def close_write(self) -> None:
        if not self._writer.is_closing() and self._writer.can_write_eof():
            self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()


class Gone(ConnectionClosed, StreamClosed):
    """The other side is gone, for those above and those below."""


async def upgrade(url: str, protocol: str) -> SocketStream:
    """A SPDY connection to a URL that CRI gave out. Raises RuntimeFailure."""
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=HEAD_LIMIT)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = (
            f"POST {target} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Connection: Upgrade",
            "Upgrade: SPDY/3.1",
            f"X-Stream-Protocol-Version: {protocol}",
            "Content-Length: 0",
        )
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise RuntimeFailure(f"the runtime's stream cannot be reached: {error}") from None
    status = head.split("\r\n", 1)[0]
    if status.split(" ")[1:2] != [SWITCHING]:
        writer.close()
        raise RuntimeFailure(f"the runtime refused the stream: {status}")
    return SocketStream(reader, writer)


def _connect(namespace: str, port: int) -> socket.socket:
    """A connection to a port on the loopback of a network namespace ("": our own). Leaves the calling thread there."""
    if namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(descriptor, CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), namespace)
        finally:
            os.close(descriptor)
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=10.0)
    except ConnectionRefusedError:
        return socket.create_connection(("::1", port), timeout=10.0)


async def into(namespace: str, port: int) -> SocketStream:
    """Connect inside a network namespace: a thread of its own goes there, the socket stays in it. Raises OSError."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[socket.socket] = loop.create_future()

    def deliver(result: socket.socket | None, error: OSError | None) -> None:
        if found.cancelled():
            if result is not None:
                result.close()
        elif error is not None:
            found.set_exception(error)
        elif result is not None:
            found.set_result(result)

    def work() -> None:
        try:
            connected = _connect(namespace, port)
        except OSError as error:
            loop.call_soon_threadsafe(deliver, None, error)
        else:
            loop.call_soon_threadsafe(deliver, connected, None)

    threading.Thread(target=work, name=f"dial-{port}", daemon=True).start()
    connected = await found
    connected.settimeout(None)
    connected.setblocking(False)
    return SocketStream(*await asyncio.open_connection(sock=connected))
