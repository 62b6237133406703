"""kit.http's server over real sockets: order, bodies, streams, ends, and clients' certificates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from pilothouse.kit import tls
from pilothouse.kit.http.limits import Limits
from pilothouse.kit.http.messages import (
    Answer,
    BodyTooLarge,
    Feed,
    Handler,
    RawStream,
    Request,
    Response,
    Sink,
    Upgrade,
)
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.http import AUTHORITY, NOW, serving

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"


def echo(request: Request) -> Answer:
    return Response(200, request.method.encode() + b" " + request.target, b"text/plain")


async def read_all(request: Request) -> Answer:
    return Response(200, await request.body(1_000_000))


async def test_requests_share_a_connection(secure: bool) -> None:
    async with serving(echo, secure=secure) as served:
        peer = await served.connect()
        for word in (b"one", b"two"):
            status, headers, body = await peer.exchange(GET % word)
            assert (status, body) == (200, b"GET /" + word)
            assert headers["content-type"] == "text/plain"
            assert headers["date"].endswith("GMT")
        assert (served.server.connections, served.server.answered) == (1, 2)


async def test_pipelined_requests_are_answered_in_order(secure: bool) -> None:
    gate = asyncio.Event()

    def handler(request: Request) -> Any:
        async def slow() -> Answer:
            await gate.wait()
            return echo(request)

        return slow() if request.target.endswith(b"3") else echo(request)

    async with serving(handler, secure=secure) as served:
        peer = await served.connect()
        await peer.send(b"".join(GET % b"%d" % i for i in range(100)))
        for i in range(3):
            assert (await peer.answer())[2] == b"GET /%d" % i
        gate.set()
        for i in range(3, 100):
            assert (await peer.answer())[2] == b"GET /%d" % i


@pytest.mark.parametrize("size", [0, 1, 5_000, 900_000])
async def test_bodies_with_a_length_and_in_chunks(secure: bool, size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    async with serving(read_all, secure=secure) as served:
        peer = await served.connect()
        head = b"POST / HTTP/1.1\r\nHost: a\r\n"
        assert (await peer.exchange(head + b"Content-Length: %d\r\n\r\n" % size + data))[2] == data
        pieces = [data[i : i + 70_001] for i in range(0, size, 70_001)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces)
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nX-Trailer: y\r\n\r\n"
        assert (await peer.exchange(chunked + GET % b""))[2] == data
        assert (await peer.answer())[2] == b""


async def test_a_streamed_body_holds_the_sender_up() -> None:
    taken = 0

    async def handler(request: Request) -> Answer:
        nonlocal taken
        async for piece in request.stream_body():
            taken += len(piece)
        return Response(200, str(taken).encode())

    async with serving(handler) as served:
        peer = await served.connect()
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n")
        for _ in range(50):
            await peer.send(b"x" * 100_000)
        assert (await peer.answer())[2] == b"5000000"


async def test_expect_continue() -> None:
    async with serving(read_all) as served:
        peer = await served.connect()
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await peer.head())[0] == 100
        assert (await peer.exchange(b"ab"))[2] == b"ab"


async def test_a_body_nobody_wants_is_not_asked_for() -> None:
    async with serving(echo) as served:
        peer = await served.connect()
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        status, headers, _ = await peer.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await peer.rest() == b""


async def test_an_unread_body_is_dropped() -> None:
    async with serving(echo) as served:
        peer = await served.connect()
        for size in (10, 200_000):
            await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
            assert "connection" not in (await peer.answer())[1]
            await peer.send(b"x" * size)
        assert (await peer.exchange(GET % b""))[0] == 200


@pytest.mark.parametrize("framing", [b"Content-Length: 50", b"Transfer-Encoding: chunked"])
async def test_a_body_over_the_limit(framing: bytes) -> None:
    async def handler(request: Request) -> Answer:
        try:
            return Response(200, await request.body(49))
        except BodyTooLarge:
            return Response(413, b"no", close=True)

    async with serving(handler) as served:
        peer = await served.connect()
        await peer.send(
            b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing + b"32\r\n" + b"x" * 50 + b"\r\n0\r\n\r\n"
        )
        assert (await peer.answer())[0] == 413
        assert await peer.rest() == b""


async def test_a_stream_is_sent_piece_by_piece_and_closed_with_the_peer(secure: bool) -> None:
    more, closed = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await more.wait()
            yield b"two"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with serving(lambda request: Response(200, pieces()), secure=secure) as served:
        peer = await served.connect()
        await peer.send(GET % b"")
        await peer.head()
        assert await peer.chunk() == b"one"
        more.set()
        assert await peer.chunk() == b"two"
        peer.writer.close()
        await asyncio.wait_for(closed.wait(), 30)
        assert served.server.failures == 0


async def test_a_stream_ends_with_its_trailers_and_the_connection_goes_on() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b""
        yield b"two"

    async with serving(lambda request: Response(200, pieces(), trailers=[(b"X-End", b"1")])) as served:
        peer = await served.connect()
        for _ in range(2):
            await peer.send(GET % b"")
            await peer.head()
            assert (
                await peer.reader.readuntil(b"0\r\nX-End: 1\r\n\r\n")
                == b"3\r\none\r\n3\r\ntwo\r\n0\r\nX-End: 1\r\n\r\n"
            )


class Counter(Feed):
    """Pushes numbers as fast as it may."""

    def __init__(self, total: int) -> None:
        self.sent, self.total, self.pauses, self.gone = 0, total, 0, asyncio.Event()

    def started(self, sink: Sink) -> None:
        self.sink = sink
        self.writable()

    def writable(self) -> None:
        while self.sent < self.total:
            self.sent += 1
            if not self.sink.write(b"%09999d\n" % self.sent):
                self.pauses += 1
                return
        self.sink.end()

    def stopped(self) -> None:
        self.gone.set()


async def test_a_feed_is_held_up_by_a_slow_peer(secure: bool) -> None:
    feeds = [Counter(2_000), Counter(5)]
    async with serving(lambda request: Response(200, feeds.pop(0)), secure=secure) as served:
        first, peer = feeds[0], await served.connect()
        await peer.send(GET % b"" + GET % b"")
        _, _, body = await peer.answer()
        assert body == b"".join(b"%09999d\n" % i for i in range(1, 2_001))
        assert first.pauses > 0
        assert len((await peer.answer())[2]) == 50_000


async def test_a_feed_hears_that_its_peer_is_gone(secure: bool) -> None:
    feed = Counter(10**9)
    async with serving(lambda request: Response(200, feed), secure=secure) as served:
        peer = await served.connect()
        await peer.send(GET % b"")
        await peer.head()
        peer.writer.close()
        await asyncio.wait_for(feed.gone.wait(), 30)
        assert feed.sent < 100_000


@pytest.mark.parametrize("body", [b"x" * 3_000_000, [b"x" * 1_000] * 3_000, [b"x" * 1_500_000, b"x" * 1_500_000]])
async def test_large_answers(secure: bool, body: Any) -> None:
    async with serving(lambda request: Response(200, body), secure=secure) as served:
        peer = await served.connect()
        for _ in range(2):
            assert (await peer.exchange(GET % b""))[2] == b"x" * 3_000_000


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_a_body(status: int) -> None:
    async with serving(lambda request: Response(status, b"no", content_type=b"")) as served:
        peer = await served.connect()
        assert (await peer.exchange(GET % b""))[:1] == (status,)
        assert (await peer.exchange(GET % b""))[:1] == (status,)


@pytest.mark.parametrize("kind", ["bytes", "stream"])
async def test_head_sends_no_body(kind: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"body"

    async with serving(lambda request: Response(200, b"body" if kind == "bytes" else pieces())) as served:
        peer = await served.connect()
        for _ in range(2):
            await peer.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            status, headers = await peer.head()
            assert status == 200
            assert headers.get("content-length") == ("4" if kind == "bytes" else None)


async def test_old_clients() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"body"

    async with serving(lambda request: Response(200, pieces() if request.target == b"/s" else b"body")) as served:
        peer = await served.connect()
        await peer.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        _, headers, body = await peer.answer()
        assert (headers["connection"], body) == ("keep-alive", b"body")
        await peer.send(b"GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await peer.head())[1]["connection"] == "close"
        assert await peer.rest() == b"body"


async def test_connection_close(secure: bool) -> None:
    async with serving(echo, secure=secure) as served:
        peer = await served.connect()
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await peer.answer())[1]["connection"] == "close"
        assert await peer.rest() == b""


async def test_clients_show_their_certificates() -> None:
    async def handler(request: Request) -> Answer:
        return Response(200, request.peer_certificate or b"none")

    pair = AUTHORITY.issue_client("system:node:a", ["system:nodes"], now=NOW)
    async with serving(handler, secure=True) as served:
        peer = await served.connect(tls.client_context(AUTHORITY.certificate, pair))
        assert (await peer.exchange(GET % b""))[2] == tls.to_der(pair.certificate)
        assert (await (await served.connect()).exchange(GET % b""))[2] == b"none"


async def swallow(stream: RawStream) -> None:
    while data := await stream.read():
        await stream.write(data.upper())
    await stream.write(b"end")


UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


async def test_an_upgraded_stream_may_be_closed_again_and_cut_off(secure: bool) -> None:
    """Whoever closes first, the server may still have to cut it off: asyncio's TLS transport fails at what comes after
    it was closed twice."""
    cut_off = asyncio.Event()

    async def farewell(stream: RawStream) -> None:
        await stream.close()
        await stream.close()
        stream.abort()
        cut_off.set()

    async with serving(lambda request: Upgrade([(b"Upgrade", b"x")], farewell), secure=secure) as served:
        peer = await served.connect()
        await peer.send(UPGRADE)
        await peer.rest()
        assert cut_off.is_set()


async def test_an_upgrade_takes_the_connection_over(secure: bool) -> None:
    async with serving(lambda request: Upgrade([(b"Upgrade", b"x")], swallow), secure=secure) as served:
        peer = await served.connect()
        await peer.send(UPGRADE + b"early")
        assert (await peer.head())[0] == 101
        assert await peer.reader.readexactly(5) == b"EARLY"
        await peer.send(b"more")
        assert await peer.reader.readexactly(4) == b"MORE"
        if not secure:
            peer.writer.write_eof()
            assert await peer.rest() == b"end"


async def talk(stream: RawStream) -> None:
    try:
        await stream.write(b"unasked")
        await stream.read()
    finally:
        await stream.close()


@pytest.mark.parametrize(
    "asked",
    [
        GET % b"",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
@pytest.mark.parametrize("run", [swallow, talk])
async def test_nothing_of_an_upgrade_follows_its_refusal(
    asked: bytes, run: Callable[[RawStream], Awaitable[None]], secure: bool
) -> None:
    ended: list[bool] = []

    async def noted(stream: RawStream) -> None:
        try:
            await run(stream)
        finally:
            ended.append(True)

    limits = Limits(linger_seconds=0.2)
    async with serving(lambda request: Upgrade([(b"Upgrade", b"x")], noted), limits, secure=secure) as served:
        peer = await served.connect()
        await peer.send(asked)
        assert await peer.head() == (400, {"content-type": "text/plain; charset=utf-8", "connection": "close"})
        assert await peer.rest() == b"400 Bad Request"
        assert (ended, served.server.busy_connections, served.server.failures) == ([True], 0, 0)


async def test_an_upgraded_stream_holds_both_sides_up() -> None:
    async with serving(lambda request: Upgrade((), swallow)) as served:
        peer = await served.connect()
        await peer.send(UPGRADE)
        await peer.head()

        async def send() -> None:
            for _ in range(100):
                await peer.send(b"x" * 100_000)
            peer.writer.write_eof()

        sending = asyncio.ensure_future(send())
        assert len(await peer.rest()) == 10_000_003
        await sending


async def test_an_upgrade_declined_goes_on_as_http() -> None:
    async with serving(read_all) as served:
        peer = await served.connect()
        await peer.send(UPGRADE + GET % b"2")
        assert (await peer.answer())[0] == (await peer.answer())[0] == 200
        for framing in (b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"):
            head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            assert (await peer.exchange(head + framing))[2] == b"abc"
            assert (await peer.exchange(GET % b""))[2] == b""


async def later(request: Request) -> Answer:
    raise RuntimeError("boom")


def at_once(request: Request) -> Answer:
    raise RuntimeError("boom")


@pytest.mark.parametrize("handler", [later, at_once])
async def test_a_handler_that_fails_answers_500_and_its_connection_goes_on(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(handler) as served:
        peer = await served.connect()
        for count in (1, 2):
            status, _, body = await peer.exchange(GET % b"")
            assert (status, body) == (500, b"500 Internal Server Error")
            assert served.server.failures == count
        assert "boom" in caplog.text


async def test_closing_lets_requests_finish() -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Answer:
        begun.set()
        await gate.wait()
        return Response(200, b"done")

    async with serving(handler) as served:
        idle, peer = await served.connect(), await served.connect()
        await peer.send(GET % b"")
        await begun.wait()
        closing = asyncio.ensure_future(served.server.close(grace=30))
        assert await idle.rest() == b""
        gate.set()
        status, headers, body = await peer.answer()
        assert (status, headers["connection"], body) == (200, "close", b"done")
        await closing
        assert served.server.connections == 0


async def test_closing_cuts_off_what_takes_too_long() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Answer:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Response(200)

    async with serving(handler) as served:
        peer = await served.connect()
        await peer.send(GET % b"")
        await begun.wait()
        assert served.server.busy_connections == 1
        await served.server.close(grace=0.01)
        assert cancelled.is_set()


REFUSED: list[tuple[bytes, int, bytes]] = [
    (b"nonsense\r\n\r\n", 400, b"400 Bad Request"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, b"400 Bad Request: missing required Host header"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, b"400 Bad Request: too many Host headers"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, b"400 Bad Request: malformed Host header"),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400, b"400 Bad Request"),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, b"505 HTTP Version Not Supported: unsupported protocol version"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, b"501 Not Implemented"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417, b"417 Expectation Failed"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, b"400"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, b"400"),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, b"400"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400, b"400 Bad Request"),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000 + b"\r\n", 431, b"431 Request Header Fields Too Large"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 300_000, 431, b"431 Request Header Fields Too Large"),
]


@pytest.mark.parametrize(("data", "status", "text"), REFUSED)
async def test_what_is_no_request_is_refused_in_its_turn(
    data: bytes, status: int, text: bytes, clock: VirtualClock
) -> None:
    async with serving(echo, Limits(head_bytes=100_000), clock=clock) as served:
        peer = await served.connect()
        await peer.send(GET % b"first" + data + GET % b"smuggled")
        assert (await peer.answer())[2] == b"GET /first"
        assert (await peer.head())[0] == status
        assert (await peer.rest()).startswith(text)
        assert served.server.refused == 1


async def test_a_bad_chunk_breaks_its_request_off(clock: VirtualClock) -> None:
    async with serving(read_all, clock=clock) as served:
        peer = await served.connect()
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX\r\n")
        status, headers, _ = await peer.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert await peer.rest() == b""
        assert served.server.failures == 0


async def test_slow_and_idle_peers_are_closed_in_time(clock: VirtualClock) -> None:
    async with serving(read_all, Limits(idle_seconds=9, head_seconds=3, body_stall_seconds=6), clock=clock) as served:
        start = clock.monotonic()
        idle, slow, stalled = [await served.connect() for _ in range(3)]
        assert (await idle.exchange(GET % b""))[0] == 200
        await slow.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        await stalled.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        for peer, expected in ((slow, 4), (stalled, 7), (idle, 10)):
            assert await peer.rest() == b""
            assert clock.monotonic() - start == pytest.approx(expected, abs=2)


async def test_a_body_that_trickles_is_cut_off_in_time(clock: VirtualClock) -> None:
    async with serving(read_all, Limits(body_stall_seconds=6, body_seconds=30), clock=clock) as served:
        start = clock.monotonic()
        peer = await served.connect()
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n")
        for _ in range(9):
            await clock.sleep(3)
            await peer.send(b"x")
        assert await peer.rest() == b""
        assert clock.monotonic() - start == pytest.approx(31, abs=2)


async def test_a_slow_handler_is_not_cut_off(clock: VirtualClock) -> None:
    async def handler(request: Request) -> Answer:
        await clock.sleep(20)
        return Response(200, b"late")

    async with serving(handler, Limits(idle_seconds=9, body_stall_seconds=6), clock=clock) as served:
        peer = await served.connect()
        assert (await peer.exchange(GET % b""))[2] == b"late"


async def test_too_many_connections() -> None:
    async with serving(echo, Limits(connections=2)) as served:
        first = await served.connect()
        await served.connect()
        assert await (await served.connect()).rest() == b""
        assert (await first.exchange(GET % b""))[0] == 200
