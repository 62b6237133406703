"""What a simulated process does beside computing: it waits. A process is a generator that yields one of these and is
sent the answer; whoever drives it has the clock."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeAlias

LARGEST_INPUT = 16 << 20


@dataclass(frozen=True, slots=True)
class Sleep:
    """Go on after so many seconds; None: never."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class AwaitInput:
    """Go on when `source` gets more bytes, or ends."""

    source: Input


@dataclass(frozen=True, slots=True)
class AwaitJob:
    """Go on when the job has ended, or a signal with a trap has come."""

    job: Job


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a background job beside what runs."""

    job: Job


Effect: TypeAlias = "Sleep | AwaitInput | AwaitJob | Start"
Steps: TypeAlias = "Generator[Effect, None, int]"


@dataclass(slots=True, eq=False)
class Job:
    """A background command; `code` is None while it runs."""

    number: int
    steps: Steps
    code: int | None = None


@dataclass(slots=True, eq=False)
class Input:
    """Bytes that a process may read, as they come. What exceeds LARGEST_INPUT unread is lost, as nobody reads it."""

    data: bytearray = field(default_factory=bytearray)
    ended: bool = False
    changed: Callable[[], None] | None = None

    @classmethod
    def of(cls, data: bytes) -> Input:
        """An input that is all there: a file, or what came through a pipe."""
        return cls(bytearray(data), True)

    def feed(self, data: bytes) -> None:
        if not self.ended and len(self.data) < LARGEST_INPUT:
            self.data += data
            self._tell()

    def end(self) -> None:
        """There is no more to come."""
        self.ended = True
        self._tell()

    def _tell(self) -> None:
        if self.changed is not None:
            self.changed()

    def chunk(self) -> Generator[Effect, None, bytes]:
        """What is there, at least a byte; b"" at the end."""
        while not self.data and not self.ended:
            yield AwaitInput(self)
        taken = bytes(self.data)
        self.data.clear()
        return taken

    def rest(self) -> Generator[Effect, None, bytes]:
        """All up to the end."""
        while not self.ended:
            yield AwaitInput(self)
        taken = bytes(self.data)
        self.data.clear()
        return taken

    def line(self) -> Generator[Effect, None, bytes]:
        """The next line with its end, or what is left at the end."""
        while b"\n" not in self.data and not self.ended:
            yield AwaitInput(self)
        end = self.data.find(b"\n") + 1 or len(self.data)
        taken = bytes(self.data[:end])
        del self.data[:end]
        return taken


Sink: TypeAlias = Callable[[bytes], None]


def limited(output: bytearray, most: int) -> Sink:
    """Writes into `output`; what exceeds `most` bytes is lost."""

    def write(data: bytes) -> None:
        output.extend(data[: most - len(output)])

    return write


@dataclass(frozen=True, slots=True)
class Streams:
    """The three standard streams of a command."""

    stdin: Input
    stdout: Sink
    stderr: Sink
