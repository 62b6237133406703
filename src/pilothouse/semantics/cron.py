"""Cron schedules, as CronJobs write them: five fields, names of months and days, `@daily`, `@every 5m`. Pure.

The texts of errors are those that clients of the API know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class CronError(ValueError):
    """A schedule that cannot be read."""


@dataclass(frozen=True)
class _Field:
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Field(0, 59, {}),
    _Field(0, 23, {}),
    _Field(1, 31, {}),
    _Field(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When: sets of minutes, hours, days, months, days of the week (0 is Sunday); or every so many seconds. `any_day`
    and `any_weekday` tell that the field was `*` or `?`: then the other one alone decides."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True
    any_weekday: bool = True
    every_seconds: float = 0.0


def parse(text: str) -> Schedule:
    """Raises CronError."""
    text = text.strip()
    if not text:
        raise CronError("empty spec string")
    if text.startswith("@"):
        return _descriptor(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise CronError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    sets = [_values(part, field) for part, field in zip(fields, _FIELDS, strict=True)]
    stars = [any(piece[:1] in ("*", "?") for piece in part.split(",")) for part in fields]
    return Schedule(sets[0], sets[1], sets[2], sets[3], sets[4], stars[2], stars[4])


def _descriptor(text: str) -> Schedule:
    if text.startswith("@every "):
        return Schedule(every_seconds=max(1.0, float(int(_duration(text)))))
    if text not in _DESCRIPTORS:
        raise CronError(f"unrecognized descriptor: {text}")
    return parse(_DESCRIPTORS[text])


def _duration(text: str) -> float:
    given = text.removeprefix("@every ")
    matches = re.findall(r"(\d+\.?\d*|\.\d+)([^\d.]*)", given)
    if not matches or "".join(a + b for a, b in matches) != given:
        raise CronError(f'failed to parse duration {text}: time: invalid duration "{given}"')
    total = 0.0
    for number, unit in matches:
        if not unit:
            raise CronError(f'failed to parse duration {text}: time: missing unit in duration "{given}"')
        if unit not in _UNITS:
            raise CronError(f'failed to parse duration {text}: time: unknown unit "{unit}" in duration "{given}"')
        total += float(number) * _UNITS[unit]
    return total


def _values(text: str, field: _Field) -> frozenset[int]:
    found: set[int] = set()
    for piece in text.split(","):
        if piece:
            found |= _range(piece, field)
    return frozenset(found)


def _number(text: str, field: _Field) -> int:
    if text.lower() in field.names:
        return field.names[text.lower()]
    try:
        number = int(text)
    except ValueError:
        parse_error = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise CronError(f"failed to parse int from {text}: {parse_error}") from None
    if number < 0:
        raise CronError(f"negative number ({number}) not allowed: {text}")
    return number


def _range(piece: str, field: _Field) -> set[int]:
    span, *steps = piece.split("/")
    ends = span.split("-")
    if len(steps) > 1:
        raise CronError(f"too many slashes: {piece}")
    if ends[0] in ("*", "?"):
        low, high = field.low, field.high
    else:
        low = _number(ends[0], field)
        if len(ends) > 2:
            raise CronError(f"too many hyphens: {piece}")
        high = _number(ends[1], field) if len(ends) == 2 else low
    step = 1
    if steps:
        step = _number(steps[0], _Field(0, 0, {}))
        if len(ends) == 1 and ends[0] not in ("*", "?"):
            high = field.high  # "N/step" means "N-max/step"
    if low < field.low:
        raise CronError(f"beginning of range ({low}) below minimum ({field.low}): {piece}")
    if high > field.high:
        raise CronError(f"end of range ({high}) above maximum ({field.high}): {piece}")
    if low > high:
        raise CronError(f"beginning of range ({low}) beyond end of range ({high}): {piece}")
    if step == 0:
        raise CronError(f"step of range should be a positive number: {piece}")
    return set(range(low, high + 1, step))
