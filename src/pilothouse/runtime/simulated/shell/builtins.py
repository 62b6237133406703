"""The commands that are part of the shell itself (POSIX 2.14), since they change or ask its state."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from pilothouse.runtime.simulated.cgroup import DECODED
from pilothouse.runtime.simulated.effects import Effect, Sink, Streams
from pilothouse.runtime.simulated.shell.control import Break, Exit, Return, ShellFailure
from pilothouse.runtime.simulated.shell.words import ScriptError, is_name

if TYPE_CHECKING:
    from pilothouse.runtime.simulated.shell.interpreter import Shell

__all__ = ["BUILTINS", "SIGNALS", "Sink", "set_options", "signal_name"]

SIGNALS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "CHLD": 17,
    "CONT": 18, "STOP": 19, "WINCH": 28,
}  # fmt: skip
_OPTIONS = {"e": "errexit", "u": "nounset", "x": "xtrace"}

Builtin = Callable[["Shell", Sequence[str], Streams], "int | Generator[Effect, None, int]"]


def signal_name(text: str) -> str | None:
    """`TERM` for `TERM`, `SIGTERM`, `term` and `15`; `EXIT` for 0; None for no signal."""
    name = text.upper().removeprefix("SIG")
    if name in ("0", "EXIT"):
        return "EXIT"
    if name in SIGNALS:
        return name
    return next((known for known, number in SIGNALS.items() if str(number) == name), None)


def set_options(shell: Shell, letters: str, rest: list[str]) -> None:
    """`-eux`, `+e`, `-o errexit` (whose name is taken from `rest`)."""
    on = letters[0] == "-"
    for letter in letters[1:]:
        if letter in _OPTIONS:
            shell.options[_OPTIONS[letter]] = on
        elif letter == "o" and rest:
            name = rest.pop(0)
            if name in shell.options:
                shell.options[name] = on


def _number(arguments: Sequence[str], otherwise: int) -> int:
    if not arguments:
        return otherwise
    text = arguments[0]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ShellFailure(f"Illegal number: {text[:40]}")
    return int(text)


def _exit(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    raise Exit(_number(arguments, shell.last) & 255)


def _return(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    raise Return(_number(arguments, shell.last) & 255)


def _break(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    raise Break(max(_number(arguments, 1), 1), again=False)


def _continue(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    raise Break(max(_number(arguments, 1), 1), again=True)


def _cd(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    target = arguments[0] if arguments else shell.variables.get("HOME", "/root")
    path = shell.files.absolute(target, shell.folder)
    entry = shell.files.entry(path)
    if entry is None or entry.data is not None:
        streams.stderr(f"sh: cd: can't cd to {target}: No such file or directory\n".encode())
        return 2
    shell.folder = path
    return 0


def _export(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    for argument in arguments:
        name, given, value = argument.partition("=")
        if not is_name(name):
            raise ShellFailure(f"export: {argument}: bad variable name")
        if given:
            shell.variables[name] = value
        shell.export(name)
    return 0


def _unset(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    for name in arguments:
        shell.unset(name)
    return 0


def _set(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    rest = list(arguments)
    while rest and rest[0][:1] in ("-", "+") and len(rest[0]) > 1:
        letters = rest.pop(0)
        if letters == "--":
            shell.set_arguments(rest)
            return 0
        set_options(shell, letters, rest)
    if rest:
        shell.set_arguments(rest)
    return 0


def _shift(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    count = _number(arguments, 1)
    if count >= len(shell.arguments):
        return 1
    shell.set_arguments(shell.arguments[1 + count :])
    return 0


def _trap(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    if not arguments:
        for trapped, set_action in shell.traps.items():
            streams.stdout(f"trap -- '{set_action}' {trapped}\n".encode())
        return 0
    action, *names = arguments if len(arguments) > 1 else ["-", *arguments]
    code = 0
    for text in names:
        name = signal_name(text)
        if name is None:
            streams.stderr(f"sh: trap: {text}: invalid signal specification\n".encode())
            code = 1
        elif action == "-":
            shell.trap(name, None)
        else:
            shell.trap(name, action)
    return code


def _wait(shell: Shell, arguments: Sequence[str], streams: Streams) -> Generator[Effect, None, int]:
    chosen = [job for job in shell.jobs if not arguments or str(job.number) in arguments]
    if arguments and not chosen:
        streams.stderr(f"sh: wait: pid {arguments[0]} is not a child of this shell\n".encode())
        return 127
    code = 0
    for job in chosen:
        code = yield from shell.wait(job)
        if shell.pending:
            return code
    return code if arguments else 0


def _kill(shell: Shell, arguments: Sequence[str], streams: Streams) -> int:
    rest, name = list(arguments), "TERM"
    if rest[:1] == ["-s"] and len(rest) > 1:
        name, rest = signal_name(rest[1]) or "", rest[2:]
    elif rest and rest[0].startswith("-"):
        name = signal_name(rest.pop(0)[1:]) or ""
    if name not in (*SIGNALS, "EXIT") or not rest:
        streams.stderr(b"sh: kill: bad signal name\n" if rest else b"sh: kill: you need to specify whom to kill\n")
        return 1
    code = 0
    for target in rest:
        job = next((job for job in shell.jobs if target in (str(job.number), f"%{job.number - 1}")), None)
        if target == "1":
            if name != "EXIT":
                shell.inside.signal(SIGNALS[name])
        elif job is not None and job.code is None:
            if name != "EXIT":
                job.code = 128 + SIGNALS[name]
                job.stop()
        else:
            streams.stderr(f"sh: can't kill pid {target}: No such process\n".encode())
            code = 1
    return code


def _read(shell: Shell, arguments: Sequence[str], streams: Streams) -> Generator[Effect, None, int]:
    names = [a for a in arguments if not a.startswith("-")] or ["REPLY"]
    line = yield from streams.stdin.line()
    shell.cgroup.work(len(line) * DECODED + len(names))
    text = line.decode(errors="replace").rstrip("\n")
    parts = text.strip().split(None, len(names) - 1)
    for index, name in enumerate(names):
        shell.variables[name] = parts[index].rstrip() if index < len(parts) else ""
    return 0 if line.endswith(b"\n") else 1


def _eval(shell: Shell, arguments: Sequence[str], streams: Streams) -> Generator[Effect, None, int]:
    shell.last = 0
    try:
        return (yield from shell.read(" ".join(arguments), streams))
    except ScriptError as error:
        raise ShellFailure(f"eval: syntax error: {error}") from None


def _source(shell: Shell, arguments: Sequence[str], streams: Streams) -> Generator[Effect, None, int]:
    path = shell.files.absolute(arguments[0], shell.folder) if arguments else ""
    entry = shell.files.entry(path)
    if entry is None or entry.data is None:
        raise ShellFailure(f".: can't open '{arguments[0] if arguments else ''}': No such file or directory")
    shell.cgroup.work(len(entry.data) * DECODED)
    return (yield from _eval(shell, [entry.data.decode(errors="replace")], streams))


def _exec(shell: Shell, arguments: Sequence[str], streams: Streams) -> Generator[Effect, None, int]:
    """The program takes the shell's place: its traps are gone."""
    if not arguments:
        return 0
    for name, action in list(shell.traps.items()):
        if action:
            shell.trap(name, None)
    raise Exit((yield from shell.program(arguments[0], arguments[1:], streams, shell.environment())))


def _command(shell: Shell, arguments: Sequence[str], streams: Streams) -> Generator[Effect, None, int] | int:
    from pilothouse.runtime.simulated.programs import roster

    if arguments[:1] in (["-v"], ["-V"]):
        known = [a for a in arguments[1:] if a in BUILTINS or a in roster.PROGRAMS or a in shell.functions]
        streams.stdout("".join(f"{name}\n" for name in known).encode())
        return int(not known)
    return shell.program(arguments[0], arguments[1:], streams, shell.environment()) if arguments else 0


BUILTINS: dict[str, Builtin] = {
    ":": lambda shell, arguments, streams: 0,
    ".": _source,
    "source": _source,
    "break": _break,
    "cd": _cd,
    "command": _command,
    "continue": _continue,
    "eval": _eval,
    "exec": _exec,
    "exit": _exit,
    "export": _export,
    "kill": _kill,
    "local": lambda shell, arguments, streams: _local(shell, arguments),
    "read": _read,
    "return": _return,
    "set": _set,
    "shift": _shift,
    "trap": _trap,
    "umask": lambda shell, arguments, streams: 0,
    "unset": _unset,
    "wait": _wait,
}


def _local(shell: Shell, arguments: Sequence[str]) -> int:
    for argument in arguments:
        name, _, value = argument.partition("=")
        shell.variables[name] = value
    return 0
