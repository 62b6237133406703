"""Streams of simulated processes, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pilothouse.runtime.simulated import process
from pilothouse.runtime.simulated.commands import Inside
from pilothouse.seams.streams import ByteReader, ByteWriter, ExitStatus, StreamClosed


class MemoryReader:
    """Bytes put in by `feed`, until `end`."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._ended = False
        self._changed = asyncio.Event()

    def feed(self, data: bytes) -> None:
        if data:
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
        return self._parts.pop(0)


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
    """An exec: its process takes its input piece by piece. An attach has no command: it stays until closed or ended."""

    def __init__(self, command: list[str] | None, inside: Inside, *, stdin: bool, tty: bool) -> None:
        self._stdin = SessionInput(self._typed if tty else self._given, self._end_of_input) if stdin else None
        self._stdout = MemoryReader()
        self._stderr = None if tty else MemoryReader()
        self._tty = tty
        self._status: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self._process: process.Process | None = None
        if command is not None:
            begun = process.start(command, inside)
            if isinstance(begun, process.Output):
                self._write(begun)
            else:
                self._process = begun
                if not stdin:
                    self._end_of_input()

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
        """A terminal shows what is typed, ends lines as programs know it, and ends the input at ^D."""
        line, ends, _ = data.partition(b"\x04")
        self._stdout.feed(line.replace(b"\r", b"\r\n"))
        self._given(line.replace(b"\r", b"\n"))
        if ends:
            self._end_of_input()

    def _given(self, data: bytes) -> None:
        if self._process is not None:
            self._write(self._process.take(data))

    def _end_of_input(self) -> None:
        if self._process is not None:
            self._write(self._process.end())

    def _write(self, output: process.Output) -> None:
        stdout, stderr = output.stdout, output.stderr
        if self._tty:
            stdout, stderr = stdout.replace(b"\n", b"\r\n"), stderr.replace(b"\n", b"\r\n")
        self._stdout.feed(stdout)
        (self._stderr or self._stdout).feed(stderr)
        if output.exit_code is not None:
            self.end(ExitStatus(output.exit_code))

    def end(self, status: ExitStatus) -> None:
        """The process is over."""
        self._process = None
        if not self._status.done():
            self._status.set_result(status)
        self._stdout.end()
        if self._stderr is not None:
            self._stderr.end()

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
