"""Streams of simulated processes, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pilothouse.runtime.simulated.cgroup import Account, OutOfMemory
from pilothouse.runtime.simulated.effects import PIPE, Input
from pilothouse.seams.streams import ByteReader, ByteWriter, ExitStatus, StreamClosed

INTERRUPT, INTERRUPTED = b"\x03", 130
MOST_UNREAD = 4 << 20


class MemoryReader:
    """Bytes put in by `feed`, until `end`. What exceeds MOST_UNREAD is lost: nobody reads it. `hold` is told of every
    byte that comes (and, as a negative number, goes)."""

    def __init__(self, hold: Callable[[int], None] = lambda size: None) -> None:
        self._unread = bytearray()
        self._ended = False
        self._hold = hold
        self._changed = asyncio.Event()

    def feed(self, data: bytes) -> None:
        if data and not self._ended and len(self._unread) < MOST_UNREAD:
            self._hold(len(data))
            self._unread += data
            self._tell()

    def end(self) -> None:
        self._ended = True
        self._tell()

    async def read(self) -> bytes:
        while not self._unread and not self._ended:
            await self._changed.wait()
        part, self._unread = bytes(self._unread), bytearray()
        self._hold(-len(part))
        self._tell()
        return part

    async def room(self) -> None:
        """Return when what is unread is less than a pipe takes."""
        while len(self._unread) >= PIPE and not self._ended:
            await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class SessionInput:
    """Standard input of a session, which is given each piece as it comes, and makes its writer wait while the process
    that should read `source` does not."""

    def __init__(self, source: Input, take: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._source = source
        self._take = take
        self._ended = ended
        self._closed = False

    def cut(self) -> None:
        """Nobody reads any more."""
        self._closed = True
        self._source.drained()

    async def write(self, data: bytes) -> None:
        while self._source.full and not self._closed:
            drained = asyncio.Event()
            self._source.drained = drained.set
            await drained.wait()
        if self._closed:
            raise StreamClosed("standard input is closed")
        try:
            self._take(data)
        except OutOfMemory:
            raise StreamClosed("the container is over") from None

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._ended()
            self._source.drained()


class SimulatedSession:
    """The streams of an exec, or of an attach: then `source` is the main process's input. It ends when its process
    does, or when it is closed."""

    def __init__(self, source: Input, account: Account, *, stdin: bool, tty: bool, ends_input: bool = True) -> None:
        self._source = source
        self._account = account
        self._ends_input = ends_input
        self._ended: Callable[[], object] = lambda: None
        take = self._typed if tty else source.feed
        self._stdin = SessionInput(source, take, self._end_of_input) if stdin else None
        self._stdout = MemoryReader(account.add)
        self._stderr = None if tty else MemoryReader(account.add)
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
        if self._stdin is not None:
            self._stdin.cut()
        self._stdout.end()
        if self._stderr is not None:
            self._stderr.end()
        self._ended()

    async def wait(self) -> ExitStatus:
        return await asyncio.shield(self._status)

    async def room(self) -> None:
        """Return when the client has read most of the output."""
        await self._stdout.room()
        if self._stderr is not None:
            await self._stderr.room()

    async def close(self) -> None:
        self.end(ExitStatus(0))
        self._account.close()


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
