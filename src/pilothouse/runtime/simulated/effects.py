"""What a simulated process does beside computing: it waits. A process is a generator that yields one of these and is
sent the answer; whoever drives it has the clock."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeAlias

# What a pipe takes before its writer has to wait.
PIPE = 64 << 10


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


@dataclass(frozen=True, slots=True)
class Throttle:
    """Go on when it is the container's turn: its slice is used up."""


Effect: TypeAlias = "Throttle | Sleep | AwaitInput | AwaitJob | Start"
Steps: TypeAlias = "Generator[Effect, None, int]"


@dataclass(slots=True, eq=False)
class Job:
    """A background command; `code` is None while it runs. `stop` ends it, once it has been started."""

    number: int
    steps: Steps
    code: int | None = None
    stop: Callable[[], object] = lambda: None


@dataclass(slots=True, eq=False)
class Input:
    """Bytes that a process may read, as they come. `hold` is told of every byte that comes (and, as a negative number,
    goes), `drained` of every moment in which there may be room again."""

    data: bytearray = field(default_factory=bytearray)
    ended: bool = False
    awaited: bool = False
    changed: Callable[[], None] = lambda: None
    drained: Callable[[], None] = lambda: None
    hold: Callable[[int], None] = lambda size: None
    _searched: int = 0

    @classmethod
    def of(cls, data: bytes) -> Input:
        """An input that is all there: a file, or what came through a pipe."""
        return cls(bytearray(data), True)

    @property
    def full(self) -> bool:
        """Whether more should not come before something was read."""
        return len(self.data) >= PIPE and not self.awaited and not self.ended

    def feed(self, data: bytes) -> None:
        if not self.ended:
            self.hold(len(data))
            self.data += data
            self.changed()

    def end(self) -> None:
        """There is no more to come."""
        self.ended = True
        self.changed()
        self.drained()

    def chunk(self) -> Generator[Effect, None, bytes]:
        """What is there, at least a byte; b"" at the end."""
        while not self.data and not self.ended:
            yield AwaitInput(self)
        return self._take(len(self.data))

    def rest(self) -> Generator[Effect, None, bytes]:
        """All up to the end."""
        while not self.ended:
            yield AwaitInput(self)
        return self._take(len(self.data))

    def line(self) -> Generator[Effect, None, bytes]:
        """The next line with its end, or what is left at the end."""
        while (end := self.data.find(b"\n", self._searched) + 1) == 0 and not self.ended:
            self._searched = len(self.data)
            yield AwaitInput(self)
        return self._take(end or len(self.data))

    def _take(self, size: int) -> bytes:
        taken = bytes(self.data[:size])
        del self.data[:size]
        self._searched = 0
        self.hold(-size)
        self.drained()
        return taken


Sink: TypeAlias = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Streams:
    """The three standard streams of a command."""

    stdin: Input
    stdout: Sink
    stderr: Sink
