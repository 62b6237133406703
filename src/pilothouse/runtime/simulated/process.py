"""How a simulated command takes its input: `cat` at once, a shell line by line, a script with `cat` in it as a whole,
and all others not at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pilothouse.runtime.simulated import commands, shell
from pilothouse.runtime.simulated.commands import Inside
from pilothouse.seams.runtime import ExecResult


class Output(NamedTuple):
    """What a process writes next; `exit_code` is None while it goes on."""

    stdout: bytes = b""
    stderr: bytes = b""
    exit_code: int | None = None


class Process(Protocol):
    """A command that runs. After an Output with an exit code it is not given anything more."""

    def take(self, data: bytes) -> Output:
        """More input."""
        ...

    def end(self) -> Output:
        """There is no more input; the answer has an exit code."""
        ...


class _Cat:
    def take(self, data: bytes) -> Output:
        return Output(data)

    def end(self) -> Output:
        return Output(exit_code=0)


class _Shell:
    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._pending = b""
        self._last = 0

    def take(self, data: bytes) -> Output:
        *lines, self._pending = (self._pending + data).split(b"\n")
        out, error = b"", b""
        for line in lines:
            words = line.split()
            if words[:1] == [b"exit"]:
                return Output(out, error, commands.exit_code([w.decode() for w in words[1:]], self._last))
            result = commands.run(("sh", "-c", line.decode(errors="replace")), self._inside) if words else None
            if result is not None:
                out, error, self._last = out + result.stdout, error + result.stderr, result.exit_code
        return Output(out, error)

    def end(self) -> Output:
        last = self.take(b"\n")
        return last if last.exit_code is not None else last._replace(exit_code=self._last)


class _Collecting:
    def __init__(self, command: Sequence[str], inside: Inside) -> None:
        self._command = command
        self._inside = inside
        self._input = b""

    def take(self, data: bytes) -> Output:
        self._input += data
        return Output()

    def end(self) -> Output:
        return _output(commands.run(self._command, self._inside, self._input))


def _output(result: ExecResult) -> Output:
    return Output(result.stdout, result.stderr, result.exit_code)


def start(command: Sequence[str], inside: Inside) -> Process | Output:
    """The process of a command that reads its input, or all the output of one that does not."""
    if not command:
        return Output(exit_code=0)
    name, script = commands.name(command), commands.text(command[1:])
    if name == "cat" and len(command) == 1:
        return _Cat()
    if name in commands.SHELLS:
        if script is None:
            return _Shell(inside)
        if _reads(script, inside):
            return _Collecting(command, inside)
    return _output(commands.run(command, inside))


def _reads(script: str, inside: Inside) -> bool:
    try:
        steps = shell.parse(script, inside.environment)
    except shell.ScriptError:
        return False
    return any(commands.name(step.words) in ("cat", *commands.SHELLS) for step in steps if step.words)
