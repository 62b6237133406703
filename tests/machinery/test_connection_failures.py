"""What a client says of a server that it does not reach: plain words, and no object of the program."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from pilothouse.api.types.core.v1 import Node
from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from pilothouse.machinery.client import TransportError
from pilothouse.machinery.client.access import Access
from pilothouse.machinery.client.connection import Connection
from pilothouse.machinery.client.https import HTTPSClient

ONE, OTHER = (tls.new_authority(name, now=1_700_000_000.0).certificate for name in ("one", "other"))


async def said(url: str, authority: bytes = ONE) -> str:
    connection = Connection(Access(url, authority=authority), SystemClock())
    try:
        with pytest.raises(TransportError) as raised:
            await HTTPSClient(connection).get(Node, "n")
    finally:
        await connection.close()
    return str(raised.value)


async def test_a_refused_connection() -> None:
    with socket.socket() as silent:  # bound, so that nobody else gets the port, and not listening
        silent.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        url = f"https://{where}"
        assert await said(url) == f"GET {url}/api/v1/nodes/n: connect to {where}: Connection refused"


async def test_a_name_that_nobody_knows() -> None:
    text = await said("https://nowhere.invalid:6443")
    assert "connect to nowhere.invalid:6443: " in text
    assert "ssl" not in text


async def test_a_certificate_of_somebody_else() -> None:
    authority = tls.new_authority("other", now=1_700_000_000.0)
    context = tls.server_context(authority.issue_server("server", ["127.0.0.1"], now=1_700_000_000.0))
    runner = web.ServerRunner(web.Server(None))  # type: ignore[arg-type]  # nothing comes so far
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    text = await said(f"https://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()
    assert ": its certificate is not trusted: " in text
    assert "0x" not in text


async def test_a_server_that_speaks_no_tls() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        text = await said(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert ": TLS: " in text
    assert "0x" not in text
