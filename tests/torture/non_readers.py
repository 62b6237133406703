"""Clients that ask for everything and read nothing: what they cost the process that serves them."""

from __future__ import annotations

import asyncio
import json
import pathlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PAGE = 4096


def resident() -> float:
    """Megabytes of this process in memory."""
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def config_map(number: int, size: int = 2400) -> bytes:
    """The body of a small object."""
    return json.dumps({"metadata": {"name": f"c{number:06}"}, "data": {"a": "x" * size}}).encode()


@asynccontextmanager
async def silent(
    port: int, target: str, count: int, context: ssl.SSLContext | None
) -> AsyncIterator[list[socket.socket]]:
    """`count` connections that have asked for `target` and never read. The kernel takes little for them."""
    loop = asyncio.get_running_loop()
    request = f"GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer T\r\n\r\n".encode()
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            bare = socket.socket()
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            bare.setblocking(False)
            made.append(bare)
            await loop.sock_connect(bare, ("127.0.0.1", port))
            if context is None:
                await loop.sock_sendall(bare, request)
            else:
                await _ask_securely(loop, bare, context, request)
        yield made
    finally:
        for bare in made:
            bare.close()


async def _ask_securely(
    loop: asyncio.AbstractEventLoop, bare: socket.socket, context: ssl.SSLContext, request: bytes
) -> None:
    """A TLS handshake and a request over a socket that nobody reads from any more afterwards."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    while True:
        try:
            secure.do_handshake()
            break
        except ssl.SSLWantReadError:
            if outgoing.pending:
                await loop.sock_sendall(bare, outgoing.read())
            incoming.write(await loop.sock_recv(bare, 65536))
    secure.write(request)
    await loop.sock_sendall(bare, outgoing.read())
