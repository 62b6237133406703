"""An HTTP/1.1 client for what a pool of connections is no help with: tunnels, upgrades, proxied requests.

    stream = await dial("10.0.0.7", 10250, tls, clock=clock)
    async with exchange(stream, ClientRequest("GET", b"/pods", headers)) as response:
        async for piece in response.pieces(): ...

One exchange a connection; the connection closes with it. Redirects, cookies and compression are the caller's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httptools

from pilothouse.kit.clock import Clock
from pilothouse.kit.http.heads import join_headers
from pilothouse.kit.http.messages import BodyTooLarge, ConnectionClosed, Header, RawStream
from pilothouse.kit.http.response_writer import ConnectionStream, Dialed
from pilothouse.kit.tasks import TaskScope

CONNECT_SECONDS = 10.0
MAX_HEAD = 256 * 1024


class BadAnswer(Exception):
    """The peer answered with what is no HTTP."""


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """What to ask. `target` goes out as it is; `headers` must hold Host; the body's framing is added here."""

    method: str
    target: bytes
    headers: Sequence[Header]
    body: bytes | AsyncIterator[bytes] = b""
    length: int | None = None
    """The size of an iterator's body where it is known; else it is sent in chunks."""


async def dial(
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    *,
    clock: Clock,
    server_name: str = "",
    seconds: float = CONNECT_SECONDS,
) -> ConnectionStream:
    """A new connection. Raises OSError (ssl.SSLError is one; TimeoutError after `seconds`)."""
    name = (server_name or host) if tls is not None else None
    async with clock.timeout(seconds):
        _, protocol = await asyncio.get_running_loop().create_connection(
            Dialed, host, port, ssl=tls, server_hostname=name
        )
    return protocol.stream


class ClientResponse:
    """An answer whose head has arrived."""

    def __init__(self, stream: RawStream, head_only: bool) -> None:
        self.status = 0
        self.reason = b""
        self.headers: list[Header] = []
        """Names as sent."""
        self.upgraded: RawStream | None = None
        """The raw connection, after status 101."""
        self.complete = False
        self._stream = stream
        self._head_only = head_only
        self._pieces: deque[bytes] = deque()
        self._parser = httptools.HttpResponseParser(self)
        self._headed = False
        self._head_bytes = 0
        self._ended = False

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case)."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises BodyTooLarge, ConnectionClosed, BadAnswer."""
        gathered = bytearray()
        async for piece in self.pieces():
            gathered += piece
            if len(gathered) > limit:
                raise BodyTooLarge(limit)
        return bytes(gathered)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises ConnectionClosed if it breaks off, BadAnswer."""
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self.complete:
                return
            await self._fill()

    async def wait_head(self) -> None:
        """Read the head; interim answers are skipped. Raises ConnectionClosed, BadAnswer."""
        while not self._headed and self.upgraded is None:
            await self._fill()

    async def _fill(self) -> None:
        data = await self._stream.read()
        if not data:
            self._at_end()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._headed = self.complete = True
            self.upgraded = _Resumed(self._stream, data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if not self.complete:  # else it is only what follows the answer
                raise BadAnswer(str(error)) from error
        if not self._headed:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                raise BadAnswer("the head is too large")

    def _at_end(self) -> None:
        framed = self.header(b"content-length") is not None or self.header(b"transfer-encoding") is not None
        if self._ended or not self._headed or framed:
            raise ConnectionClosed("the answer broke off")
        self._ended = self.complete = True

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if not self._headed:
            self.headers = []
            self.reason = b""

    def on_status(self, piece: bytes) -> None:
        if not self._headed:
            self.reason += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._headed:
            return
        status = self._parser.get_status_code()
        if status >= 200 or status == 101:
            self.status = status
            self._headed = True
            self.complete = self._head_only or status in (204, 304)

    def on_body(self, piece: bytes) -> None:
        if self._headed and not self.complete:
            self._pieces.append(piece)

    def on_message_complete(self) -> None:
        if self._headed:
            self.complete = True


class _Resumed:
    """A raw stream whose first bytes have been read already."""

    def __init__(self, stream: RawStream, first: bytes) -> None:
        self._stream, self._first = stream, first

    async def read(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return await self._stream.read()

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)

    async def close(self) -> None:
        await self._stream.close()


@contextlib.asynccontextmanager
async def exchange(stream: RawStream, request: ClientRequest) -> AsyncIterator[ClientResponse]:
    """Send `request` and yield the answer once its head is there; the stream closes with the block. A body that is an
    iterator is sent while the answer is awaited and read. Raises ConnectionClosed, BadAnswer."""
    scope = TaskScope("exchange", on_failure=_ignore)
    try:
        response = ClientResponse(stream, request.method == "HEAD")
        head, framing = b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), request.target), b""
        if isinstance(request.body, bytes):
            if request.body or request.method in ("POST", "PUT", "PATCH"):
                framing = b"Content-Length: %d\r\n" % len(request.body)
            await stream.write(head + join_headers(request.headers) + framing + b"\r\n" + request.body)
        else:
            length = request.length
            framing = b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length
            await stream.write(head + join_headers(request.headers) + framing + b"\r\n")
            scope.spawn(_upload(stream, request.body, length is None), "upload")
        await response.wait_head()
        yield response
    finally:
        await scope.close()
        await stream.close()


async def _upload(stream: RawStream, pieces: AsyncIterator[bytes], chunked: bool) -> None:
    try:
        async for piece in pieces:
            if piece:
                await stream.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            await stream.write(b"0\r\n\r\n")
    except ConnectionClosed:
        # Either side is gone. The peer must not take half a body for a whole one.
        await stream.close()


def _ignore(name: str, failure: BaseException) -> None:
    """The task log has it; the exchange ends by its closed stream."""
