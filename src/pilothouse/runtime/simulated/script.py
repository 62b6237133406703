"""How a simulated container behaves: as its command says, if that is one that a small shell knows (`commands`: echo,
sleep, exit and the like); forever running otherwise, unless its pod's annotations say so. Pure.

    pilothouse.io/simulate-exit-after: "2.5"        seconds from start to end ("0": at once)
    pilothouse.io/simulate-exit-code: "1"           with this code (0)
    pilothouse.io/simulate-exit-after.NAME: "2.5"   for the container NAME only; likewise exit-code.NAME
    pilothouse.io/simulate-oom: "true"              the end is the kernel's, for want of memory
    pilothouse.io/simulate-log: "text"              what it writes when it starts

Annotations win. Init containers that are not sidecars end at once with 0 if nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.runtime.simulated.commands import Inside, foresee
from pilothouse.runtime.simulated.shell import Simple

PREFIX = "pilothouse.io/simulate-"
OOM_CODE = 137


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`exit_after` None: it runs until it is stopped. After `begins` seconds it does what is in `loop`, again and
    again."""

    exit_after: float | None
    exit_code: int
    reason: str
    log: str
    begins: float = 0.0
    loop: tuple[Simple, ...] = ()


def behaviour(
    name: str, command: Sequence[str], annotations: Mapping[str, str], inside: Inside, *, short: bool
) -> Behaviour:
    """`short`: an init container, which is to end by itself. Annotations that are no numbers count as absent."""

    def given(what: str) -> str | None:
        return annotations.get(f"{PREFIX}{what}.{name}", annotations.get(PREFIX + what))

    course = foresee(command, inside)
    oom = given("oom") == "true"
    code = _number(given("exit-code"))
    after = _number(given("exit-after"))
    loop = course.loop if course is not None and after is None and not oom else ()
    if after is None and course is not None and not loop:
        after = course.seconds
    if after is None and not loop and (short or oom):
        after = 0.0
    exit_code = OOM_CODE if oom else int(code) if code is not None else course.exit_code if course else 0
    reason = "OOMKilled" if oom else "Completed" if exit_code == 0 else "Error"
    said = course.output if course else f"simulated container {name} started"
    begins = course.seconds if course is not None else 0.0
    return Behaviour(after, exit_code, reason, given("log") or said, begins, loop)


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        return None
