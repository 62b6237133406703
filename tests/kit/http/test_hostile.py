"""What a server has to bear: thousands of malformed, slow, huge and broken-off requests, and garbage for TLS.

Nothing of it may crash, answer 5xx for a fault of ours, hold the loop, or keep memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import resource
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.limits import Limits
from pilothouse.kit.http.messages import Answer, BodyTooLarge, ConnectionClosed, Request, Response
from pilothouse.kit.http.server import Server
from pilothouse.testing.http import SERVER_TLS, serving

LOOP_LIMIT = 0.02
FLOOD = 10_000
BATCH = 40
_LINES = [
    b"GET / HTTP/1.1", b"POST /a?b=c HTTP/1.1", b"PUT /%zz HTTP/1.1", b"GET  / HTTP/1.1", b"HEAD / HTTP/1.0", b"GET /",
    b"GET http://x/y HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"get / http/1.1", b"GET / HTTP/9.9",
    b"PRI * HTTP/2.0", b"\x16\x03\x01\x02\x00\x01\x00", b"", b"GET /" + b"a" * 9000 + b" HTTP/1.1",
]  # fmt: skip
_HEADERS = [
    b"Host: a", b"Host: a", b"Host: a", b"Host: b\x00", b"Content-Length: 3", b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding:\tchunked", b"Connection: close", b"Connection: upgrade",
    b"Connection: keep-alive, upgrade", b"Upgrade: websocket", b"Upgrade: h2c", b"Expect: 100-continue", b"Expect: x",
    b" folded: yes", b": nameless", b"X-Long: " + b"y" * 5000, b"X\xff: z", b"X: \xff", b"A: b\rC: d", b"A: b\nC: d",
    b"Content-Length: 3\r\nContent-Length: 4", b"Trailer: X",
]  # fmt: skip
_BODIES = [
    b"", b"abc", b"abcde", b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n",
    b"3;x=" + b"y" * 3000 + b"\r\nabc\r\n0\r\nT: u\r\n\r\n", b"-1\r\n", b"\x00" * 500,
    b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
]  # fmt: skip


def request(chance: random.Random) -> bytes:
    """A request that may be anything; wrong in about nine of ten."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(200))
    headers = [chance.choice(_HEADERS) for _ in range(chance.randrange(6))]
    end = chance.choice([b"\r\n\r\n", b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n", b""])
    return b"\r\n".join([chance.choice(_LINES), *headers]) + end + chance.choice(_BODIES)


async def read_a_little(request: Request) -> Answer:
    try:
        body = await request.body(1000)
    except BodyTooLarge:
        return Response(413, b"too large", close=True)
    return Response(200, request.method.encode() + body)


def handler(request: Request) -> Answer | asyncio.Future[Answer]:
    if request.method == "GET":
        return Response(200, b"ok")
    return read_a_little(request)  # type: ignore[return-value]


@contextlib.asynccontextmanager
async def watched(limit: float) -> AsyncIterator[None]:
    """Fails if one callback holds the loop for longer than `limit` seconds of the CPU. The cycle collector rests
    meanwhile: how long it takes depends on what all earlier tests have left behind."""
    loop = asyncio.get_running_loop()
    worst = 0.0
    running = True

    def tick(before: float) -> None:
        nonlocal worst
        now = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        worst = max(worst, now - before)
        if running:
            loop.call_soon(tick, now)

    gc.collect()
    gc.disable()
    try:
        loop.call_soon(tick, resource.getrusage(resource.RUSAGE_SELF).ru_utime)
        yield
    finally:
        running = False
        gc.enable()
    assert worst < limit, f"the loop was held for {worst:.3f} s"


async def attack(port: int, data: bytes, cut: int, early: bool) -> bytes:
    """Send `data` in pieces, perhaps go without reading; what came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for start in range(0, len(data), max(cut, len(data) // 20 + 1)):
            writer.write(data[start : start + max(cut, len(data) // 20 + 1)])
            await asyncio.sleep(0)
        if early:
            return b""
        writer.write_eof()
        return await reader.read(-1)
    except OSError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


class TestMalformed:
    """Thousands of requests that hypothesis makes up."""

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 2**64))
    def test_nothing_crashes_and_nothing_is_our_fault(self, seed: int) -> None:
        chance = random.Random(seed)
        batch = [(request(chance), chance.randint(1, 400), chance.random() < 0.5) for _ in range(BATCH)]

        async def run() -> None:
            async with serving(handler, Limits(head_bytes=8000, linger_seconds=0.0)) as served:
                answers = await asyncio.gather(*(attack(served.port, *each) for each in batch))
                for (data, _, _), answer in zip(batch, answers, strict=True):
                    for status in statuses(answer):
                        assert status < 500 or status in (501, 505), data
                assert served.server.failures == 0
                reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert b"200 OK" in await reader.readline()
                writer.close()
                await writer.wait_closed()

        asyncio.run(run())


async def test_a_flood_of_pipelined_requests_leaves_the_others_their_turn() -> None:
    async with serving(handler) as served:
        flood, other = await served.connect(), await served.connect()
        data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * FLOOD

        async def send() -> None:
            with contextlib.suppress(OSError):
                await flood.send(data)

        async def drain() -> None:
            while await flood.reader.read(1 << 16):
                pass

        sending, draining = asyncio.ensure_future(send()), asyncio.ensure_future(drain())
        between = []
        for _ in range(20):
            before = served.server.answered
            assert (await other.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200
            between.append(served.server.answered - before)
        assert max(between) < FLOOD / 40
        sending.cancel()
        draining.cancel()


async def test_a_reader_that_does_not_read_is_not_written_to_without_bound() -> None:
    async with serving(lambda request: Response(200, b"x" * 30_000)) as served:
        peer = await served.connect()
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        sent = 0
        with contextlib.suppress(TimeoutError):
            while True:
                await asyncio.wait_for(peer.send(request * 100), 0.2)
                sent += 100
                assert sent < 300_000, "the server took more than it can have answered"
        # The kernel's buffers may still take some; then nothing more is answered.
        answered, steady = -1, 0
        async with asyncio.timeout(20):
            while steady < 10:
                steady = steady + 1 if served.server.answered == answered else 0
                answered = served.server.answered
                await asyncio.sleep(0.02)
        assert answered * 30_000 < 64 * 1024 * 1024


async def test_a_body_in_single_bytes_costs_no_object_each() -> None:
    async def gather(request: Request) -> Answer:
        return Response(200, str(len(await request.body(1_000_000))).encode())

    async with serving(gather) as served:
        peer = await served.connect()
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        async with watched(LOOP_LIMIT * 2):
            for _ in range(20):
                await peer.send(b"1\r\nx\r\n" * 2_000)
        await peer.send(b"0\r\n\r\n")
        assert (await peer.answer())[2] == b"40000"


async def test_bodies_that_break_off_are_told_to_their_readers() -> None:
    broken = 0
    done = asyncio.Event()

    async def reading(request: Request) -> Answer:
        nonlocal broken
        try:
            await request.body(1_000_000)
        except (ConnectionClosed, asyncio.CancelledError):
            broken += 1
            if broken == 50:
                done.set()
            raise
        return Response(200)

    async with serving(reading) as served:
        for _ in range(50):
            peer = await served.connect()
            await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
            peer.writer.close()
        await asyncio.wait_for(done.wait(), 30)
        assert served.server.failures == 0


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x00" * 1000, b""]
)
async def test_garbage_for_tls_harms_nobody(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(handler, secure=True) as served:
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(data)
            writer.write_eof()
            with contextlib.suppress(OSError):
                await reader.read(-1)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        peer = await served.connect()
        assert (await peer.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[0] == 200
        assert served.server.connections == 1


async def test_connections_leave_nothing_behind() -> None:
    server = Server(handler, SystemClock(), Limits(linger_seconds=0.0))
    _, port = await server.listen("127.0.0.1", 0)

    async def some(count: int) -> None:
        for i in range(count):
            line = (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n")[i % 3]
            await attack(port, line, 1000, early=i % 2 == 0)
        async with asyncio.timeout(30):
            while server.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        gc.collect()

    await some(60)
    before = len(gc.get_objects())
    await some(300)
    assert len(gc.get_objects()) - before < 300
    await server.close()


async def test_idle_connections_cost_the_others_nothing() -> None:
    async with serving(handler) as served:
        idle = [await served.connect() for _ in range(200)]
        peer = await served.connect()
        before = served.server.answered
        async with watched(LOOP_LIMIT):
            for _ in range(50):
                await peer.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert served.server.answered - before == 50
        assert served.server.connections == len(idle) + 1
        assert served.server.busy_connections == 0


def test_the_tls_context_offers_http_1_1_only() -> None:
    assert SERVER_TLS.verify_mode.name == "CERT_OPTIONAL"
