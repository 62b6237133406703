"""Redirections: the streams of a command, as `<`, `>`, `>>`, `<<` and `>&` say (POSIX 2.7)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from pilothouse.runtime.simulated.effects import Effect, Input, Sink, Streams
from pilothouse.runtime.simulated.files import FileFailure
from pilothouse.runtime.simulated.shell import expansion, syntax

if TYPE_CHECKING:
    from pilothouse.runtime.simulated.shell.interpreter import Shell

# What the main process's output is known as, in containers that write their log there.
STANDARD = {f"{where}{number}": number for where in ("/dev/fd/", "/proc/1/fd/", "/proc/self/fd/") for number in (1, 2)}
STANDARD |= {"/dev/stdout": 1, "/dev/stderr": 2}


def redirected(
    shell: Shell, redirects: Sequence[syntax.Redirect], streams: Streams
) -> Generator[Effect, None, Streams]:
    if not redirects:
        return streams
    stdin, outputs = streams.stdin, {1: streams.stdout, 2: streams.stderr}
    for redirect in redirects:
        target = yield from expansion.text(shell, redirect.target)
        if redirect.operator == "<<":
            stdin = Input.of(target.encode())  # what the command is charged with, by who calls this
        elif redirect.operator == ">&":
            outputs[redirect.descriptor] = outputs.get(int(target) if target.isdigit() else 1, lambda data: None)
        elif redirect.operator == "<":
            stdin = Input.of(_opened(shell, target))
        else:
            outputs[redirect.descriptor] = _writing(shell, target, append=redirect.operator == ">>", streams=streams)
    return Streams(stdin, outputs[1], outputs[2])


def _opened(shell: Shell, target: str) -> bytes:
    try:
        return shell.files.read(shell.files.absolute(target, shell.folder))
    except FileFailure as failure:
        raise FileFailure(f"{target}: {failure.reason}") from None


def _writing(shell: Shell, target: str, *, append: bool, streams: Streams) -> Sink:
    path = shell.files.absolute(target, shell.folder)
    if path in STANDARD:
        return streams.stdout if STANDARD[path] == 1 else streams.stderr

    def write(data: bytes) -> None:
        try:
            shell.files.write(path, data, shell.inside.now(), append=True)
        except FileFailure as failure:
            streams.stderr(f"sh: write error: {failure.reason}\n".encode())

    try:
        shell.files.write(path, b"", shell.inside.now(), append=append)
    except FileFailure as failure:
        raise FileFailure(f"{target}: {failure.reason}") from None
    return write
