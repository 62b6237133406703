"""Streams of simulated processes, in memory."""

from __future__ import annotations

import asyncio

from pilothouse.runtime.simulated.commands import Inside, run
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


class MemoryWriter:
    """Collects what is written until its end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._closed = asyncio.Event()

    async def write(self, data: bytes) -> None:
        if self._closed.is_set():
            raise StreamClosed("standard input is closed")
        self._parts.append(data)

    async def close(self) -> None:
        self._closed.set()

    async def everything(self) -> bytes:
        await self._closed.wait()
        return b"".join(self._parts)


class SimulatedSession:
    """An exec: it takes its whole input, then answers. An attach has no command: it stays until closed or ended."""

    def __init__(self, command: list[str] | None, inside: Inside, *, stdin: bool, tty: bool) -> None:
        self._command = command
        self._inside = inside
        self._stdin = MemoryWriter() if stdin else None
        self._stdout = MemoryReader()
        self._stderr = None if tty else MemoryReader()
        self._status: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        if command is not None and not stdin:
            self._finish(b"")

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

    def _finish(self, data: bytes) -> None:
        result = run(self._command or (), self._inside, data)
        self._stdout.feed(result.stdout)
        (self._stderr or self._stdout).feed(result.stderr)
        self.end(ExitStatus(result.exit_code))

    def end(self, status: ExitStatus) -> None:
        """The process is over."""
        if not self._status.done():
            self._status.set_result(status)
        self._stdout.end()
        if self._stderr is not None:
            self._stderr.end()

    async def wait(self) -> ExitStatus:
        if not self._status.done() and self._command is not None and self._stdin is not None:
            data = await self._stdin.everything()
            if not self._status.done():
                self._finish(data)
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
