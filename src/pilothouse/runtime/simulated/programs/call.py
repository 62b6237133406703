"""How a program is called, and what it sees."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from pilothouse.runtime.simulated.cgroup import COPIED, Cgroup
from pilothouse.runtime.simulated.effects import Effect, Steps, Streams
from pilothouse.runtime.simulated.files import FileFailure, Files

# Bytes that a program writes at once.
PIECE = 16 << 10


class Unknown(Enum):
    """What a program does that nobody here knows: a server of a container runs until it is stopped, the program of an
    init container succeeds at once, and one that is asked for by `exec` is there if it is named by its path."""

    RUNS = "runs"
    SUCCEEDS = "succeeds"
    BY_PATH = "by path"


@dataclass(frozen=True, slots=True)
class Inside:
    """What is the same for all processes of a container. `signal` sends the signal of that number to its main
    process."""

    hostname: str
    environment: Mapping[str, str]
    now: Callable[[], float]
    files: Files
    cgroup: Cgroup
    unknown: Unknown = Unknown.RUNS
    signal: Callable[[int], None] = lambda number: None


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a program: its arguments (without its name), streams, exported variables and folder."""

    name: str
    arguments: Sequence[str]
    streams: Streams
    environment: Mapping[str, str]
    folder: str
    inside: Inside

    def write(self, text: str) -> None:
        self.streams.stdout(text.encode())

    def put(self, data: bytes) -> Generator[Effect, None, None]:
        """Write much: in pieces, so that whoever takes it has time."""
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            yield from self.pace(10 + piece.count(b"\n") * 0.4 + len(piece) * COPIED)
            self.streams.stdout(piece)

    def complain(self, text: str, code: int = 1) -> int:
        """Say what is wrong, with the program's name; the exit code."""
        self.streams.stderr(f"{self.name}: {text}\n".encode())
        return code

    def path(self, argument: str) -> str:
        return Files.absolute(argument, self.folder)

    def options(self) -> tuple[str, list[str]]:
        """The letters of all options, and the other arguments."""
        letters = ""
        others: list[str] = []
        for index, argument in enumerate(self.arguments):
            if argument == "--":
                return letters, [*others, *self.arguments[index + 1 :]]
            if argument.startswith("-") and len(argument) > 1:
                letters += argument[1:]
            else:
                others.append(argument)
        return letters, others

    def pace(self, units: float) -> Generator[Effect, None, None]:
        """Wait for a turn if need be before what takes so many microseconds."""
        return self.inside.cgroup.pace(units)

    def read(self, path: str, price: float = COPIED) -> Generator[Effect, None, bytes]:
        """A file, each byte of which costs `price`. Raises FileFailure."""
        data = self.inside.files.read(path)
        yield from self.pace(10 + len(data) * price)
        return data

    def each(
        self, arguments: Sequence[str], action: Callable[[str], Generator[Effect, None, None] | None], verb: str = ""
    ) -> Steps:
        """Do `action` with the path of each argument; 1 if it failed for one, which is said."""
        code = 0
        for argument in arguments:
            yield from self.pace(10 + len(argument) * 0.1)
            try:
                steps = action(self.path(argument))
                if steps is not None:
                    yield from steps
            except FileFailure as failure:
                about = f"{verb} '{argument}'" if verb else argument
                code = self.complain(f"{about}: {failure.reason}")
        return code


Program: TypeAlias = Callable[[Call], "int | Generator[Effect, None, int]"]
