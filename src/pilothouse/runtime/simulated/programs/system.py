"""Programs that ask the system, wait, or only succeed and fail."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime

from pilothouse.runtime.simulated.effects import Effect, Sleep, Steps
from pilothouse.runtime.simulated.programs.call import Call

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_SLEEP = 10.0 * 365 * 86400


def duration(arguments: Sequence[str]) -> float | None:
    """How long `sleep` sleeps: the sum of its arguments, each with a unit or without. None: without end. Raises
    ValueError for what is no duration."""
    total = 0.0
    for argument in arguments:
        number, unit = (argument[:-1], argument[-1]) if argument[-1:] in UNITS else (argument, "s")
        if number.lower() in ("inf", "infinity"):
            return None
        if not (number.isascii() and number.replace(".", "", 1).isdigit()):
            raise ValueError(argument)
        total += float(number) * UNITS[unit]
    return total if total < LONGEST_SLEEP else None


def sleep(call: Call) -> Generator[Effect, None, int]:
    if not call.arguments:
        return call.complain("missing operand")
    try:
        seconds = duration(call.arguments)
    except ValueError as failure:
        return call.complain(f"invalid number '{failure}'")
    yield Sleep(seconds)
    return 0


def date(call: Call) -> Steps:
    yield from call.pace(2 * sum(map(len, call.arguments)) + 20.0)
    seconds = call.inside.now()
    shape = next((a[1:] for a in call.arguments if a.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    moment = datetime.fromtimestamp(seconds, UTC)
    shape = shape.replace("%s", str(int(seconds))).replace("%N", f"{moment.microsecond:06}000")
    try:
        yield from call.put(f"{moment.strftime(shape)}\n".encode())
    except ValueError:
        return call.complain(f"invalid date '{shape[:100]}'")
    return 0


def env(call: Call) -> Steps:
    for name, value in call.environment.items():
        yield from call.put(f"{name}={value}\n".encode())
    return 0


def printenv(call: Call) -> Steps:
    if not call.arguments:
        return (yield from env(call))
    values = [call.environment[name] for name in call.arguments if name in call.environment]
    for value in values:
        yield from call.put(f"{value}\n".encode())
    return int(len(values) < len(call.arguments))


def hostname(call: Call) -> int:
    call.write(f"{call.inside.hostname}\n")
    return 0


def identity(call: Call) -> int:
    letters, _ = call.options()
    call.write("0\n" if letters and letters[0] in "ug" else "uid=0(root) gid=0(root) groups=0(root)\n")
    return 0


def whoami(call: Call) -> int:
    call.write("root\n")
    return 0


def uname(call: Call) -> int:
    letters, _ = call.options()
    call.write(f"Linux {call.inside.hostname} simulated\n" if "a" in letters else "Linux\n")
    return 0


def pwd(call: Call) -> int:
    call.write(f"{call.folder}\n")
    return 0


def true(call: Call) -> int:
    return 0


def false(call: Call) -> int:
    return 1
