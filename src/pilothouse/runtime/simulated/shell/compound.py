"""Compound commands: if, while, until, for and case (POSIX 2.9.4)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from pilothouse.runtime.simulated.cgroup import size_of
from pilothouse.runtime.simulated.effects import Effect, Steps, Streams
from pilothouse.runtime.simulated.shell import expansion, syntax
from pilothouse.runtime.simulated.shell.control import Break

if TYPE_CHECKING:
    from pilothouse.runtime.simulated.shell.interpreter import Shell

# Microseconds for a round of a loop.
_LAP = 5.0


def holds(shell: Shell, commands: syntax.Commands, streams: Streams) -> Generator[Effect, None, bool]:
    shell.tested += 1
    try:
        return (yield from shell.run(commands, streams)) == 0
    finally:
        shell.tested -= 1


def run_if(shell: Shell, command: syntax.If, streams: Streams) -> Steps:
    for condition, body in command.branches:
        if (yield from holds(shell, condition, streams)):
            return (yield from shell.run(body, streams))
    shell.last = 0
    return (yield from shell.run(command.otherwise, streams))


def run_loop(shell: Shell, command: syntax.Loop, streams: Streams) -> Steps:
    code = 0
    while (yield from holds(shell, command.condition, streams)) is command.wanted:
        going, code = yield from lap(shell, command.body, streams)
        if not going:
            break
    shell.last = code
    return code


def run_for(shell: Shell, command: syntax.For, streams: Streams) -> Steps:
    words = shell.arguments[1:] if command.words is None else (yield from expansion.fields(shell, command.words))
    code = 0
    yield from shell.cgroup.pace(0.3 * len(words))
    with shell.cgroup.holding(size_of(words)):
        for word in words:
            shell.variables[command.name] = word
            going, code = yield from lap(shell, command.body, streams)
            if not going:
                break
    return code


def lap(shell: Shell, body: syntax.Commands, streams: Streams) -> Generator[Effect, None, tuple[bool, int]]:
    """One round of a loop: whether there may be another, and its exit code."""
    yield from shell.cgroup.pace(_LAP)
    try:
        return True, (yield from shell.run(body, streams))
    except Break as leave:
        if leave.levels > 1:
            raise Break(leave.levels - 1, again=leave.again) from None
        return leave.again, 0


def run_case(shell: Shell, command: syntax.Case, streams: Streams) -> Steps:
    subject = yield from expansion.text(shell, command.subject)
    for patterns, body in command.branches:
        for word in patterns:
            shape = yield from expansion.pattern(shell, word)
            if (yield from expansion.matches(shell, subject, shape)):
                shell.last = 0
                with shell.cgroup.holding(len(subject)):
                    return (yield from shell.run(body, streams))
    return 0
