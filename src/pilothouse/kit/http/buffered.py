"""Exact reads from a stream of bytes, for framings."""

from __future__ import annotations

from pilothouse.kit.http.messages import ConnectionClosed, RawStream


class TooLong(Exception):
    """What was to be read up to a mark is longer than its limit."""


class BufferedReader:
    """Reads a RawStream by counts and marks; what is left over waits for the next read."""

    __slots__ = ("_buffer", "_stream")

    def __init__(self, stream: RawStream, first: bytes = b"") -> None:
        self._stream = stream
        self._buffer = bytearray(first)

    async def exactly(self, count: int) -> bytes:
        """`count` bytes. Raises ConnectionClosed if the stream ends before."""
        while len(self._buffer) < count:
            await self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def until(self, mark: bytes, limit: int) -> bytes:
        """Everything up to and with `mark`. Raises ConnectionClosed, TooLong."""
        start = 0
        while (found := self._buffer.find(mark, start)) < 0:
            if len(self._buffer) > limit:
                raise TooLong(limit)
            start = max(0, len(self._buffer) - len(mark) + 1)
            await self._fill()
        end = found + len(mark)
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        return data

    async def some(self, limit: int) -> bytes:
        """From 1 to `limit` bytes; b"" at the end."""
        if not self._buffer:
            data = await self._stream.read()
            if len(data) <= limit:
                return data
            self._buffer += data
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    async def ended(self) -> bool:
        """Wait for a byte or the end, and say whether it is the end."""
        if not self._buffer:
            self._buffer += await self._stream.read()
        return not self._buffer

    def rest(self) -> bytes:
        """What has been read from the stream and not taken."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def _fill(self) -> None:
        data = await self._stream.read()
        if not data:
            raise ConnectionClosed("the stream ended")
        self._buffer += data
