"""Streams between a client and a process in a pod, whatever carries them (SPDY, WebSocket, memory)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class StreamClosed(Exception):
    """The other side is gone: nothing can be written any more."""


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a process ended. `message` is empty for exit code 0 or a plain non-zero exit; it tells of a failure to run
    or to follow the process (`code` is then -1)."""

    code: int
    message: str = ""


class ByteReader(Protocol):
    async def read(self) -> bytes:
        """Some bytes; b"" at the end, ever after."""
        ...


class ByteWriter(Protocol):
    async def write(self, data: bytes) -> None:
        """Write all; waits while the other side is slow. Raises StreamClosed."""
        ...

    async def close(self) -> None:
        """End of input. Idempotent."""
        ...


class ByteStream(ByteReader, Protocol):
    """Both ways, each with an end of its own."""

    async def write(self, data: bytes) -> None:
        """Write all; waits while the other side is slow. Raises StreamClosed."""
        ...

    async def close_write(self) -> None:
        """No more from this side; reading goes on. Idempotent."""
        ...

    async def close(self) -> None:
        """Let go of both ways. Idempotent."""
        ...


class Session(Protocol):
    """A running exec or attach. `stdin` is None unless asked for; `stderr` is None with a tty. stdout and stderr are to
    be read concurrently: neither waits for the other."""

    @property
    def stdin(self) -> ByteWriter | None: ...

    @property
    def stdout(self) -> ByteReader: ...

    @property
    def stderr(self) -> ByteReader | None: ...

    async def resize(self, width: int, height: int) -> None:
        """Set the terminal's size in characters; nothing without a tty."""
        ...

    async def wait(self) -> ExitStatus:
        """The end of the process. May be called before the streams have been read."""
        ...

    async def close(self) -> None:
        """Let go: of an exec's streams or of the attachment. Idempotent."""
        ...
