"""kit.http's client against kit.http's server, and against answers made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.client import BadAnswer, ClientRequest, dial, exchange
from pilothouse.kit.http.messages import Answer, BodyTooLarge, ConnectionClosed, RawStream, Request, Response, Upgrade
from pilothouse.testing.http import AUTHORITY, raw_pair, serving

HOST = [(b"Host", b"a")]


async def echo(request: Request) -> Answer:
    if request.header(b"upgrade"):
        return Upgrade([(b"Upgrade", b"x"), (b"Connection", b"Upgrade")], shout)
    body = await request.body(10_000_000)
    if request.target == b"/chunks":
        return Response(200, chunks(body))
    return Response(201, request.method.encode() + body, headers=[(b"X-A", b"b")])


async def chunks(body: bytes) -> AsyncIterator[bytes]:
    for i in range(0, len(body), 1000):
        yield body[i : i + 1000]


async def shout(stream: RawStream) -> None:
    while data := await stream.read():
        await stream.write(data.upper())


@pytest.mark.parametrize("secure", [False, True])
async def test_exchanges(secure: bool) -> None:
    context = tls.client_context(AUTHORITY.certificate) if secure else None
    async with serving(echo, secure=secure) as served:
        for request, status, body in (
            (ClientRequest("GET", b"/", HOST), 201, b"GET"),
            (ClientRequest("HEAD", b"/", HOST), 201, b""),
            (ClientRequest("POST", b"/", HOST, b"abc"), 201, b"POSTabc"),
            (ClientRequest("POST", b"/chunks", HOST, b"x" * 300_000), 200, b"x" * 300_000),
            (ClientRequest("PUT", b"/", HOST, chunks(b"y" * 3000)), 201, b"PUT" + b"y" * 3000),
            (ClientRequest("PUT", b"/", HOST, chunks(b"y" * 3000), 3000), 201, b"PUT" + b"y" * 3000),
        ):
            stream = await dial("127.0.0.1", served.port, context, clock=SystemClock())
            async with exchange(stream, request) as response:
                assert (response.status, await response.read(1_000_000)) == (status, body)
                assert response.reason in (b"OK", b"Created")


async def test_an_upgrade() -> None:
    async with serving(echo) as served:
        stream = await dial("127.0.0.1", served.port, clock=SystemClock())
        headers = [*HOST, (b"Connection", b"Upgrade"), (b"Upgrade", b"x")]
        async with exchange(stream, ClientRequest("GET", b"/", headers)) as response:
            assert (response.status, response.header(b"upgrade")) == (101, b"x")
            assert response.upgraded is not None
            await response.upgraded.write(b"abc")
            assert await response.upgraded.read() == b"ABC"


async def answered(data: bytes, method: str = "GET") -> tuple[int, bytes, bytes]:
    near, far = raw_pair(limit=1 << 30, cut=7)
    await far.write(data)
    far._ended = True  # nothing more will come from there
    near._ended = True
    near.write = ignore  # type: ignore[method-assign]
    async with exchange(near, ClientRequest(method, b"/", HOST)) as response:
        return response.status, await response.read(1000), response.header(b"a") or b""


async def ignore(data: bytes) -> None:
    return


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 2\r\n\r\nab", (200, b"ab", b"1")),
        (b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\nuntil the end", (200, b"until the end", b"1")),
        (b"HTTP/1.0 200 OK\r\n\r\n", (200, b"", b"")),
        (
            b"HTTP/1.1 100 Continue\r\nA: 0\r\n\r\nHTTP/1.1 404 No\r\nA: 1\r\nContent-Length: 1\r\n\r\nx",
            (404, b"x", b"1"),
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"", b"")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: trailer\r\n\r\n", (200, b"a", b"")),
    ],
)
async def test_answers_by_hand(data: bytes, expected: tuple[int, bytes, bytes]) -> None:
    assert await answered(data) == expected


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ConnectionClosed),
        (b"HTTP/1.1 200 OK\r\nContent-Le", ConnectionClosed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", ConnectionClosed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", ConnectionClosed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\na\r\n", BadAnswer),
        (b"\x15\x03\x01\x00\x02\x02", BadAnswer),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 60_000, BadAnswer),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, BodyTooLarge),
    ],
)
async def test_bad_answers(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        await answered(data)


async def test_an_upload_that_breaks_off_closes_the_connection() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionClosed("the client is gone")

    got = asyncio.Event()

    async def handler(request: Request) -> Answer:
        try:
            await request.body(1000)
        except ConnectionClosed:
            got.set()
        return Response(200)

    async with serving(handler) as served:
        stream = await dial("127.0.0.1", served.port, clock=SystemClock())
        with pytest.raises(ConnectionClosed):
            async with exchange(stream, ClientRequest("POST", b"/", HOST, broken())):
                raise AssertionError("no answer can come")


async def test_nobody_there() -> None:
    async with serving(echo) as served:
        port = served.port
    with pytest.raises(OSError, match=r"Connect|connect"):
        await dial("127.0.0.1", port, clock=SystemClock())
