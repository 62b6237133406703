"""One connection of the server: requests in order, one answer at a time, and an end.

What is ready at once is written at once; whatever must wait runs in one task a request, which ends with the
connection.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

from pilothouse.kit import guard
from pilothouse.kit.http.answers import BLOCK, Plan, bodiless, upgrade_head
from pilothouse.kit.http.head_budget import HeadBudget
from pilothouse.kit.http.heads import BadRequest, plain_refusal
from pilothouse.kit.http.limits import Limits
from pilothouse.kit.http.messages import Answer, BodyTooLarge, ConnectionClosed, Feed, Handler, Response, Upgrade
from pilothouse.kit.http.request import IncomingRequest
from pilothouse.kit.http.request_reader import RequestReader
from pilothouse.kit.http.response_writer import ChunkSink, ConnectionStream, EndedStream, ResponseWriter
from pilothouse.kit.http.write_scheduler import WriteScheduler
from pilothouse.kit.tasks import TaskScope

TURN = 16
"""Requests of one connection that are answered before others have their turn."""
DISCARD = 256 * 1024
"""Bytes of an unread body that are read and dropped to keep a connection."""
PLAIN_TEXT = b"text/plain; charset=utf-8"


class Acceptor(Protocol):
    """The server that accepted a connection, as the connection knows it."""

    handler: Handler
    limits: Limits
    turns: WriteScheduler
    heads: HeadBudget
    scope: TaskScope
    draining: bool
    answered: int
    refused: int
    failures: int
    now: float
    date: bytes

    @property
    def write_buffer(self) -> int: ...
    def opened(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...
    def linger(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """An accepted connection of `server`."""

    def __init__(self, server: Acceptor) -> None:
        self._server = server
        self._active: IncomingRequest | None = None
        self._task: asyncio.Task[None] | None = None
        self._feed: Feed | None = None
        self._feed_sent: Callable[[], None] | None = None
        self._raw: ConnectionStream | None = None
        self._scheduled = self._closing = False
        self._since = self._begun = server.now

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is one, but doesn't inherit from it
        self.writer = ResponseWriter(transport, self._server.turns, self._server.write_buffer)
        peer = transport.get_extra_info("peername")
        remote = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else ("", 0)
        secure: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = secure.getpeercert(binary_form=True) if secure is not None else None
        self._reader = RequestReader(
            transport, self._server.limits.head_bytes, self._server.heads, remote, certificate, self._advance
        )
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._raw is not None:
            self._raw.feed(data)
        elif not self._closing:  # else dropped, so that the peer can read our last answer while it still sends
            if (self._active is None or self._active.awaited) and not self._reader.in_head:
                self._since = self._server.now
            self._reader.arrived(data)
            if self._active is None:
                self._advance()

    def eof_received(self) -> bool:
        if self._raw is not None:
            self._raw.feed_end()
            return self.writer.half_open
        return False  # as in Go, a peer that has closed its side is gone, and what it asked for is cancelled

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self.writer.set_lost()
        self._reader.end()
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.stopped()
            if self._feed_sent is not None:
                self._feed_sent()
        if self._raw is not None:
            self._raw.feed_end()
        elif self._task is not None:
            self._task.cancel()
        self._server.closed(self)

    def pause_writing(self) -> None:
        self.writer.set_full(True)

    def resume_writing(self) -> None:
        self.writer.set_full(False)
        if self._feed is not None:
            self._feed.writable()
        elif self._active is None:
            self._advance()

    # What the server calls.

    @property
    def busy(self) -> bool:
        """Whether a request is being answered, or an upgraded stream is open."""
        return self._active is not None or self._reader.waiting

    def close_if_idle(self) -> None:
        """Close, unless a request is being answered; the server's `draining` makes that one the last."""
        if not self.busy:
            self._closing = True
            self.writer.close()

    def sweep(self) -> None:
        """Close what has been idle, or slow with its head or body, for too long."""
        limits, waited = self._server.limits, self._server.now - self._since
        if self._active is not None:
            late = self._active.wholly and self._server.now - self._begun > limits.body_seconds
            if self._active.awaited and (late or waited > limits.body_stall_seconds):
                self.writer.abort()
        elif self._reader.in_head and waited > limits.head_seconds:
            self.writer.abort()
        elif waited > limits.idle_seconds:
            self.close_if_idle()

    # Answering.

    def _advance(self) -> None:
        """Answer what has arrived, as far as order, the peer's pace and fairness allow."""
        self._scheduled = False
        self._reader.pump()
        answered = 0
        while self._active is None and not self._closing and not self.writer.full:
            if answered == TURN:
                self._advance_soon()
                return
            request = self._reader.take()
            if request is None:
                if self._reader.refused is not None:
                    self._refuse(self._reader.refused)
                return
            answered += 1
            self._start(request)

    def _start(self, request: IncomingRequest) -> None:
        self._active = request
        self._begun = self._server.now
        sound = False
        try:
            answer = guard.answer("http handler", request.method, self._server.handler, request)
            if isinstance(answer, Exception):
                answer = _internal_error(self._server)
            if isinstance(answer, Response) and self._answer_now(request, answer):
                self._feed_sent = _told(answer, self._feed)
            else:
                self._task = self._server.scope.spawn(self._run(request, answer), request.method)
            sound = True
        finally:
            if not sound:  # the answer cannot be sent: the loop tells of it, and the peer gets none
                self.writer.abort()

    async def _run(self, request: IncomingRequest, coming: Answer | Awaitable[Answer]) -> None:
        answer: Answer | None = None
        sound = False
        try:
            if isinstance(coming, Response | Upgrade):
                answer = coming
            else:
                try:
                    made = await guard.result("http handler", request.method, coming, _CUT_SHORT)
                except _CUT_SHORT as error:
                    made = _cut_short(error, self._reader)
                answer = _internal_error(self._server) if isinstance(made, Exception) else made
            if isinstance(answer, Upgrade):
                await self._take_over(request, answer)
            elif not self._answer_now(request, answer):
                plan = _plan(self._server, request, answer)
                await plan.send(self.writer, bodiless(request.method, answer.status))
                self._finish(request, plan.close)
            sound = True
        except ConnectionClosed:
            sound = self._closing
        finally:
            self._task = None
            if isinstance(answer, Response):
                self._feed_sent = _told(answer, self._feed)
            if not sound:
                self.writer.abort()
        self._advance()

    def _answer_now(self, request: IncomingRequest, response: Response) -> bool:
        """Send an answer that needs no waiting; False if this one does."""
        if hasattr(response.body, "__aiter__"):
            return False
        plan = _plan(self._server, request, response)
        if plan.size > BLOCK:
            return False
        if self._closing:
            return True
        if plan.feed is not None:
            self.writer.transport.write(plan.head)
            self._start_feed(request, plan, plan.feed)
            return True
        self.writer.transport.write(plan.head + b"".join(plan.pieces) if plan.size else plan.head)
        self._finish(request, plan.close)
        return True

    def _start_feed(self, request: IncomingRequest, plan: Plan, feed: Feed) -> None:
        def ended() -> None:
            if self._feed is not None:
                self._feed, sent = None, self._feed_sent
                if sent is not None:
                    sent()
                self._finish(request, plan.close)
                self._advance_soon()

        self._feed = feed
        feed.started(ChunkSink(self.writer, plan.chunked, plan.tail, ended))

    async def _take_over(self, request: IncomingRequest, upgrade: Upgrade) -> None:
        if not self._closing and not request.upgradable:
            self._refuse(BadRequest(400))
        if self._closing:
            # What is behind the upgrade must still be let go of; nothing of it may follow a refusal.
            await upgrade.run(EndedStream())
            return
        self._raw = ConnectionStream(self.writer, self._reader.leave())
        self.writer.transport.write(upgrade_head(upgrade))
        try:
            await upgrade.run(self._raw)
        finally:
            self._closing = True
            self.writer.close()

    def _finish(self, request: IncomingRequest, close: bool) -> None:
        self._active = None
        self._since = self._server.now
        self._server.answered += 1
        if close:
            self._close_gently(request.complete)
            return
        if request.upgradable:
            self._reader.resume()
        if not request.complete:
            request.discard()

    def _advance_soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _refuse(self, refused: BadRequest) -> None:
        self._server.refused += 1
        self.writer.transport.write(plain_refusal(refused))
        self._close_gently(False)

    def _close_gently(self, all_read: bool) -> None:
        """Close once the peer has had time to read the answer: closing on unread bytes would reset the connection."""
        self._closing = True
        self._active = None
        if all_read or self.writer.lost:
            self.writer.close()
        elif not self.writer.transport.is_closing():
            self.writer.end()
            self._server.linger(self)


def _told(response: Response, feed: Feed | None) -> Callable[[], None] | None:
    """Tell that an answer has been sent; or give back what to call when `feed`, which is its body, is over."""
    if response.sent is None or (feed is not None and feed is response.body):
        return response.sent
    response.sent()
    return None


_CUT_SHORT = (BodyTooLarge, ConnectionClosed)


def _cut_short(error: BodyTooLarge | ConnectionClosed, reader: RequestReader) -> Response:
    """What is answered to a request whose body could not be read. Raises ConnectionClosed: nobody is there."""
    if isinstance(error, BodyTooLarge):
        return Response(413, b"413 Request Entity Too Large", PLAIN_TEXT, close=True)
    if reader.refused is None:
        raise error
    return Response(400, b"400 Bad Request", PLAIN_TEXT, close=True)


def _internal_error(server: Acceptor) -> Response:
    server.failures += 1
    return Response(500, b"500 Internal Server Error", PLAIN_TEXT)


def _plan(server: Acceptor, request: IncomingRequest, response: Response) -> Plan:
    unread = not request.complete and (
        request.expects_continue or request.broken or (request.length or 0) - request.received > DISCARD
    )
    return Plan(
        response,
        method=request.method,
        minor_version=request.minor_version,
        close=not request.keep_alive or server.draining or unread,
        date=server.date,
    )
