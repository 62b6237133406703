"""How an answer becomes bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import cast

from pilothouse.kit.http.heads import join_headers, phrase, status_line
from pilothouse.kit.http.messages import Feed, Response, Upgrade
from pilothouse.kit.http.response_writer import ResponseWriter

BLOCK = 64 * 1024
"""Bytes that are given to TLS at once: encrypting them holds the loop for well under a millisecond."""
# Pieces of a long answer that are looked at together: most are small, and a block takes a hundred of them.
_GROUP = 16
_BODILESS = frozenset((204, 304))
_CLOSE, _KEEP = b"Connection: close\r\n", b"Connection: keep-alive\r\n"


class Plan:
    """What is to be sent for one response: its head, and a body of one of three kinds."""

    __slots__ = ("chunked", "close", "feed", "head", "pieces", "response", "size", "stream")

    def __init__(self, response: Response, *, method: str, minor_version: int, close: bool, date: bytes) -> None:
        body = response.body
        self.response = response
        self.close = close or response.close
        self.pieces: Sequence[bytes] = ()
        self.size = 0
        self.stream: AsyncIterator[bytes] | None = None
        self.feed: Feed | None = None
        self.chunked = False
        if isinstance(body, bytes):
            self.pieces, self.size = (body,), len(body)
            framing = b"Content-Length: %d\r\n" % self.size
        elif hasattr(body, "__aiter__") or hasattr(body, "started"):
            framing = self._plan_stream(body, minor_version)
        else:
            self.pieces = body
            self.size = sum(map(len, self.pieces))
            framing = b"Content-Length: %d\r\n" % self.size
        status = response.status
        if status in _BODILESS or status < 200:
            framing, self.pieces, self.feed, self.size = b"", (), None, 0
        elif method == "HEAD":
            self.pieces, self.feed, self.size = (), None, 0
        persistence = _CLOSE if self.close else _KEEP if minor_version == 0 else b""
        self.head = b"%b%b%bDate: %b\r\n%b%b\r\n" % (
            status_line(status),
            b"Content-Type: %b\r\n" % response.content_type if response.content_type else b"",
            join_headers(response.headers) if response.headers else b"",
            date,
            framing,
            persistence,
        )

    def _plan_stream(self, body: object, minor_version: int) -> bytes:
        if hasattr(body, "__aiter__"):
            self.stream = cast(AsyncIterator[bytes], body)
            if any(name.lower() == b"content-length" for name, _ in self.response.headers):
                return b""
        else:
            self.feed = cast(Feed, body)
        if minor_version == 0:
            self.close = True
            return b""
        self.chunked = True
        return b"Transfer-Encoding: chunked\r\n"

    @property
    def tail(self) -> bytes:
        """The last chunk with the trailers."""
        return b"0\r\n" + join_headers(self.response.trailers) + b"\r\n" if self.chunked else b""

    async def send(self, writer: ResponseWriter, bodiless: bool) -> None:
        """Send all of it at the peer's pace; the iterator is closed whatever happens. Raises ConnectionClosed."""
        if self.stream is None:
            await _send_pieces(writer, self.head, self.pieces)
            return
        try:
            await writer.write(self.head)
            if not bodiless:
                async for piece in self.stream:
                    if piece:
                        await writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.chunked else piece)
                await writer.write(self.tail)
        finally:
            close = getattr(self.stream, "aclose", None)
            if close is not None:
                await close()


def bodiless(method: str, status: int) -> bool:
    """Whether an answer has no body whatever its headers say."""
    return method == "HEAD" or status in _BODILESS or status < 200


def upgrade_head(upgrade: Upgrade) -> bytes:
    """The head of an answer that leaves HTTP."""
    line = f"HTTP/1.1 {upgrade.status} ".encode("ascii") + (upgrade.reason or phrase(upgrade.status).encode("ascii"))
    return line + b"\r\n" + join_headers(upgrade.headers) + b"\r\n"


async def _send_pieces(writer: ResponseWriter, head: bytes, pieces: Sequence[bytes]) -> None:
    """Small pieces go out together, in blocks; large ones in blocks of their own."""
    gathered, size = [head], len(head)
    for first in range(0, len(pieces), _GROUP):
        group = pieces[first : first + _GROUP]
        length = sum(map(len, group))
        if size + length < BLOCK:
            gathered += group
            size += length
            continue
        for piece in group:
            if len(piece) > BLOCK:
                await writer.write(b"".join(gathered))
                gathered, size = [], 0
                view = memoryview(piece)
                for start in range(0, len(piece), BLOCK):
                    await writer.write_block(bytes(view[start : start + BLOCK]))
                continue
            gathered.append(piece)
            size += len(piece)
            if size >= BLOCK:
                await writer.write_block(b"".join(gathered))
                gathered, size = [], 0
    if gathered:
        await writer.write(b"".join(gathered))
