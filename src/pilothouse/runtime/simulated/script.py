"""How a simulated container behaves: as its command says, if that is one that is known here (`programs`, `shell`);
forever running otherwise, unless its pod's annotations say so. Pure.

    pilothouse.io/simulate-exit-after: "2.5"        seconds from start to end ("0": at once)
    pilothouse.io/simulate-exit-code: "1"           with this code, also when it is stopped in time
    pilothouse.io/simulate-exit-after.NAME: "2.5"   for the container NAME only; likewise exit-code.NAME
    pilothouse.io/simulate-oom: "true"              the end is the kernel's, for want of memory
    pilothouse.io/simulate-log: "text"              what it writes when it starts, in place of its command

Annotations win. Programs of init containers that are not known and not sidecars succeed at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "pilothouse.io/simulate-"
OOM_CODE = 137


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What annotations say of a container; None where they say nothing."""

    exit_after: float | None = None
    exit_code: int | None = None
    oom: bool = False
    log: str | None = None

    @property
    def silent(self) -> bool:
        """Whether the command is left to itself."""
        return self == Behaviour()


def behaviour(name: str, annotations: Mapping[str, str]) -> Behaviour:
    """Annotations that are no numbers count as absent."""

    def given(what: str) -> str | None:
        return annotations.get(f"{PREFIX}{what}.{name}", annotations.get(PREFIX + what))

    code, after, oom = _number(given("exit-code")), _number(given("exit-after")), given("oom") == "true"
    exit_code = OOM_CODE if oom else None if code is None else int(code) & 255
    return Behaviour(0.0 if oom and after is None else after, exit_code, oom, given("log"))


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return max(number, 0.0) if math.isfinite(number) else None
