"""Programs that ask the system, wait, or only succeed and fail."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime

from pilothouse.runtime.simulated.effects import Effect, Sleep
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


def date(call: Call) -> int:
    seconds = call.inside.now()
    shape = next((a[1:] for a in call.arguments if a.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    moment = datetime.fromtimestamp(seconds, UTC)
    shape = shape.replace("%s", str(int(seconds))).replace("%N", f"{moment.microsecond:06}000")
    call.write(moment.strftime(shape) + "\n")
    return 0


def env(call: Call) -> int:
    call.write("".join(f"{name}={value}\n" for name, value in call.environment.items()))
    return 0


def printenv(call: Call) -> int:
    if not call.arguments:
        return env(call)
    values = [call.environment[name] for name in call.arguments if name in call.environment]
    call.write("".join(f"{value}\n" for value in values))
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
