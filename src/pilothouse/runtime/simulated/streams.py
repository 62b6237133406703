"""Streams of simulated processes, in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pilothouse.runtime.simulated.effects import Input
from pilothouse.seams.streams import ByteReader, ByteWriter, ExitStatus, StreamClosed

INTERRUPT, INTERRUPTED = b"\x03", 130
MOST_UNREAD = 32 << 20


class MemoryReader:
    """Bytes put in by `feed`, until `end`. What exceeds MOST_UNREAD is lost: nobody reads it."""

    def __init__(self) -> None:
        self._unread = 0
        self._parts: deque[bytes] = deque()
        self._ended = False
        self._changed = asyncio.Event()

    def feed(self, data: bytes) -> None:
        if data and not self._ended and self._unread < MOST_UNREAD:
            self._unread += len(data)
            self._parts.append(data)
            self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    async def read(self) -> bytes:
        while not self._parts:
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        part = self._parts.popleft()
        self._unread -= len(part)
        return part


class SessionInput:
    """Standard input of a session, which is given each piece as it comes."""

    def __init__(self, take: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._take = take
        self._ended = ended
        self._closed = False

    async def write(self, data: bytes) -> None:
        if self._closed:
            raise StreamClosed("standard input is closed")
        self._take(data)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._ended()


class SimulatedSession:
    """The streams of an exec, or of an attach: then `source` is the main process's input. It ends when its process
    does, or when it is closed."""

    def __init__(self, source: Input, *, stdin: bool, tty: bool, ends_input: bool = True) -> None:
        self._source = source
        self._ends_input = ends_input
        self._ended: Callable[[], object] = lambda: None
        self._stdin = SessionInput(self._typed if tty else source.feed, self._end_of_input) if stdin else None
        self._stdout = MemoryReader()
        self._stderr = None if tty else MemoryReader()
        self._tty = tty
        self._status: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()

    @property
    def stdin(self) -> ByteWriter | None:
        return self._stdin

    @property
    def stdout(self) -> ByteReader:
        return self._stdout

    @property
    def stderr(self) -> ByteReader | None:
        return self._stderr

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal to resize."""

    def _typed(self, data: bytes) -> None:
        """A terminal shows what is typed, ends lines as programs know it, the input at ^D, and the program at ^C."""
        line, ends, _ = data.partition(b"\x04")
        if INTERRUPT in line:
            self._stdout.feed(b"^C\r\n")
            self.end(ExitStatus(INTERRUPTED))
            return
        self._stdout.feed(line.replace(b"\r", b"\r\n"))
        self._source.feed(line.replace(b"\r", b"\n"))
        if ends:
            self._source.end()

    def _end_of_input(self) -> None:
        if self._ends_input:
            self._source.end()

    def on_end(self, action: Callable[[], object]) -> None:
        """Do `action` once the session is over, whoever ended it."""
        self._ended = action

    def show(self, stream: str, data: bytes) -> None:
        """Output of the process: `stream` is stdout or stderr, which a terminal shows as one."""
        if self._tty:
            data = data.replace(b"\n", b"\r\n")
        (self._stderr if stream == "stderr" and self._stderr is not None else self._stdout).feed(data)

    def end(self, status: ExitStatus) -> None:
        """The process is over."""
        if self._status.done():
            return
        self._status.set_result(status)
        self._stdout.end()
        if self._stderr is not None:
            self._stderr.end()
        self._ended()

    async def wait(self) -> ExitStatus:
        return await asyncio.shield(self._status)

    async def close(self) -> None:
        self.end(ExitStatus(0))


class EchoStream:
    """A port of a simulated pod: it says hello over HTTP to whatever it is sent."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._answer = MemoryReader()

    async def read(self) -> bytes:
        return await self._answer.read()

    async def write(self, data: bytes) -> None:
        body = f"simulated pod {self._name}\n".encode()
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._answer.feed(head.encode() + body)
        self._answer.end()

    async def close_write(self) -> None:
        self._answer.end()

    async def close(self) -> None:
        self._answer.end()
