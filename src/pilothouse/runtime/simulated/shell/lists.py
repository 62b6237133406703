"""Lists and pipelines: what joins commands (POSIX 2.9.2, 2.9.3)."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from pilothouse.runtime.simulated.cgroup import PIDS_MAX
from pilothouse.runtime.simulated.effects import Effect, Input, Job, Start, Steps, Streams
from pilothouse.runtime.simulated.shell import syntax
from pilothouse.runtime.simulated.shell.control import LARGEST_PIPE, Exit

if TYPE_CHECKING:
    from pilothouse.runtime.simulated.shell.interpreter import Shell


def background(shell: Shell, one: syntax.AndOr, streams: Streams) -> Generator[Effect, None, None]:
    """Start a list that ends in `&`."""
    child = shell.child()
    quiet = Streams(Input.of(b""), streams.stdout, streams.stderr)
    shell.jobs_begun += 1
    job = Job(1 + shell.jobs_begun, child.contained((syntax.AndOr(one.pipelines),), quiet))
    if len(shell.jobs) >= PIDS_MAX:
        shell.jobs = [job for job in shell.jobs if job.code is None][-PIDS_MAX:]
    shell.jobs.append(job)
    yield Start(job)


def and_or(shell: Shell, one: syntax.AndOr, streams: Streams) -> Steps:
    """Pipelines joined by `&&` and `||`. Raises Exit where `set -e` says so."""
    code, final = 0, len(one.pipelines) - 1
    for index, (operator, pipeline) in enumerate(one.pipelines):
        if (operator == "&&" and code != 0) or (operator == "||" and code == 0):
            continue
        tested = index < final or pipeline.negated
        shell.tested += tested
        try:
            code = yield from run_pipeline(shell, pipeline, streams)
        finally:
            shell.tested -= tested
        shell.last = code
        if code != 0 and not tested and not shell.tested and shell.options["errexit"]:
            raise Exit(code)
    return code


def run_pipeline(shell: Shell, pipeline: syntax.Pipeline, streams: Streams) -> Steps:
    """The exit code of the last command; the contrary of it behind `!`."""
    if len(pipeline.commands) > 1:
        code = yield from piped(shell, pipeline.commands, streams)
    else:
        code = yield from shell.command(pipeline.commands[0], streams)
    return int(not code) if pipeline.negated else code


def piped(shell: Shell, commands: Sequence[syntax.Command], streams: Streams) -> Steps:
    """Each in a subshell, one after the other."""
    stdin = streams.stdin
    with contextlib.ExitStack() as pipes:
        for command in commands[:-1]:
            output, write = pipes.enter_context(shell.cgroup.collecting(LARGEST_PIPE))
            yield from alone(shell, command, Streams(stdin, write, streams.stderr))
            stdin = Input(output, True)
        return (yield from alone(shell, commands[-1], Streams(stdin, streams.stdout, streams.stderr)))


def alone(shell: Shell, command: syntax.Command, streams: Streams) -> Steps:
    """One command in a subshell."""
    return shell.child().contained((syntax.AndOr((("", syntax.Pipeline((command,))),)),), streams)
