"""What a simulated container answers to commands: enough of a shell to look around in. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pilothouse.runtime.simulated import shell
from pilothouse.seams.runtime import ExecResult

NOT_FOUND = 127
SHELLS = ("sh", "bash", "ash")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Inside:
    """What a command sees."""

    hostname: str
    environment: Mapping[str, str]
    now: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Course:
    """A process from its start to its end: how long it takes, what it writes, its exit code. With a `loop`, that comes
    then, over and over, and there is no end."""

    seconds: float
    output: str
    exit_code: int
    loop: tuple[shell.Simple, ...] = ()


def run(command: Sequence[str], inside: Inside, stdin: bytes = b"") -> ExecResult:
    """The result of a command: echo, printf, cat (of its input), date, env, hostname, id, true, false, sleep, and
    `sh -c` of these in sequence. Takes no time. Anything else succeeds silently if it is a path, and is not found
    otherwise."""
    if not command:
        return ExecResult(b"", b"", 0)
    called, arguments = name(command), command[1:]
    if called in SHELLS:
        return _script(text(arguments) or stdin.decode(errors="replace"), inside, stdin)
    if called == "exit":
        return ExecResult(b"", b"", exit_code(arguments, 0))
    if called in _ANSWERS:
        return ExecResult(_ANSWERS[called](arguments, inside, stdin), b"", int(called == "false"))
    if "/" in command[0]:
        return ExecResult(b"", b"", 0)
    return ExecResult(b"", f"{called}: not found\n".encode(), NOT_FOUND)


def foresee(command: Sequence[str], inside: Inside) -> Course | None:
    """How a container's own command will go; None for what goes on by itself, or that this shell doesn't know: a
    server, a shell that waits for input, `sleep infinity`. Of an endless loop it tells how the way there goes."""
    steps = [shell.Simple(tuple(command), "")] if command else []
    if command and name(command) in SHELLS:
        try:
            steps = shell.parse(text(command[1:]) or "", inside.environment)
        except shell.ScriptError:
            return None
    parts = shell.endless(steps)
    if parts is None:
        return play(steps, inside) if steps else None
    before, loop = parts
    way, lap = play(before, inside), play(loop, inside)
    if way is None or lap is None or lap.seconds == 0 or any(s.words[0] == "exit" for s in (*before, *loop)):
        return None
    return Course(way.seconds, way.output, 0, tuple(loop))


def play(steps: Sequence[shell.Simple], inside: Inside) -> Course | None:
    """What comes of these commands; None if one of them is not known, or never ends."""
    if any(s.joined in ("|", "&") or name(s.words) not in _FORESEEN for s in steps):
        return None
    seconds, output, code = 0.0, b"", 0
    for step in steps:
        if _skipped(step, code):
            continue
        if name(step.words) == "sleep":
            pause = _seconds(step.words[1:])
            if pause is None:
                return None
            seconds += pause
        result = run(step.words, inside)
        code = exit_code(step.words[1:], code) if step.words[0] == "exit" else result.exit_code
        output += result.stdout if step.kept else b""
        if step.words[0] == "exit":
            break
    return Course(seconds, output.decode(errors="replace"), code)


def _script(text: str, inside: Inside, stdin: bytes) -> ExecResult:
    """Commands in sequence; `exit N` ends it."""
    try:
        steps = shell.parse(text, inside.environment)
    except shell.ScriptError as failure:
        return ExecResult(b"", f"sh: syntax error: {failure}\n".encode(), 2)
    out, error, code = b"", b"", 0
    for step in steps:
        if _skipped(step, code):
            continue
        if step.words[0] == "exit":
            return ExecResult(out, error, exit_code(step.words[1:], code))
        result = run(step.words, inside, stdin)
        out, error, code = out + (result.stdout if step.kept else b""), error + result.stderr, result.exit_code
    return ExecResult(out, error, code)


def _skipped(step: shell.Simple, code: int) -> bool:
    return (step.joined == "&&" and code != 0) or (step.joined == "||" and code == 0)


def name(command: Sequence[str]) -> str:
    """What a command is called, without its folder."""
    return command[0].rpartition("/")[2]


def text(arguments: Sequence[str]) -> str | None:
    """The script of `sh -c script`."""
    return arguments[1] if arguments[:1] and arguments[0] == "-c" and len(arguments) > 1 else None


def exit_code(arguments: Sequence[str], last: int) -> int:
    """What `exit` with these arguments ends with, after a command that ended with `last`."""
    if not arguments:
        return last
    return int(arguments[0]) & 255 if arguments[0].isdigit() else 2


def _seconds(arguments: Sequence[str]) -> float | None:
    """How long `sleep` sleeps: the sum of its arguments, each with a unit or without. None: without end."""
    total = 0.0
    for argument in arguments:
        number, unit = (argument[:-1], argument[-1]) if argument[-1:] in UNITS else (argument, "s")
        if not number.replace(".", "", 1).isdigit():
            return None
        total += float(number) * UNITS[unit]
    return total


def _echo(arguments: Sequence[str], inside: Inside, stdin: bytes) -> bytes:
    options = [a for a in arguments[:1] if a in ("-n", "-e", "-ne", "-en")]
    text = " ".join(arguments[len(options) :]) + ("" if options and "n" in options[0] else "\n")
    return _escaped(text) if options and "e" in options[0] else text.encode()


def _escaped(text: str) -> bytes:
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode()


def _date(arguments: Sequence[str], inside: Inside, stdin: bytes) -> bytes:
    return datetime.fromtimestamp(inside.now(), UTC).strftime("%a %b %e %H:%M:%S UTC %Y\n").encode()


_Answer = Callable[[Sequence[str], Inside, bytes], bytes]
_ANSWERS: Mapping[str, _Answer] = {
    "echo": _echo,
    "printf": lambda arguments, inside, stdin: _escaped(" ".join(arguments)),
    "env": lambda arguments, inside, stdin: "".join(f"{k}={v}\n" for k, v in inside.environment.items()).encode(),
    "printenv": lambda arguments, inside, stdin: "".join(
        f"{inside.environment.get(a, '')}\n" for a in arguments
    ).encode(),
    "date": _date,
    "cat": lambda arguments, inside, stdin: stdin,
    "hostname": lambda arguments, inside, stdin: f"{inside.hostname}\n".encode(),
    "id": lambda arguments, inside, stdin: b"uid=0(root) gid=0(root) groups=0(root)\n",
    "pwd": lambda arguments, inside, stdin: b"/\n",
    "ls": lambda arguments, inside, stdin: b"",
    "true": lambda arguments, inside, stdin: b"",
    "false": lambda arguments, inside, stdin: b"",
    "sleep": lambda arguments, inside, stdin: b"",
}
# `cat` as a container's own command waits for input that may come.
_FORESEEN = frozenset(_ANSWERS) - {"cat"} | {"exit"}
