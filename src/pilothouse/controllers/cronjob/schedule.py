"""Cron lines: five fields or a macro, in a time zone. Pure."""

from __future__ import annotations

import functools
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES: tuple[dict[str, int], ...] = ({}, {}, {}, _MONTHS, _DAYS)
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_YEARS = 5


class ScheduleError(ValueError):
    """A line that is no schedule, or a zone nobody knows."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Moments by their fields. Where both days are restricted, either will do; that is cron's old rule."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool
    zone: tzinfo = UTC
    every: float = 0.0
    """Seconds between moments, for `@every`; the fields are empty then."""

    def next(self, after: float) -> float | None:
        """The first moment later than `after` (seconds since the epoch); None if there is none for years."""
        if self.every:
            return float(int(after) + max(int(self.every), 1))
        moment = datetime.fromtimestamp(int(after) // 60 * 60 + 60, self.zone)
        last = moment.year + _YEARS
        while moment.year <= last:
            if moment.month not in self.months:
                month, year = (1, moment.year + 1) if moment.month == 12 else (moment.month + 1, moment.year)
                moment = self._at(datetime(year, month, 1, tzinfo=self.zone))
            elif not self._on_day(moment):
                moment = self._at(datetime(moment.year, moment.month, moment.day, tzinfo=self.zone), days=1)
            elif moment.hour not in self.hours:
                moment = self._later(moment, 3600 - moment.minute * 60)
            elif moment.minute not in self.minutes:
                moment = self._later(moment, 60)
            else:
                return moment.timestamp()
        return None

    def _on_day(self, moment: datetime) -> bool:
        day, weekday = moment.day in self.days, (moment.weekday() + 1) % 7 in self.weekdays
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)

    def _at(self, moment: datetime, days: int = 0) -> datetime:
        naive = moment.replace(tzinfo=None) + timedelta(days=days)
        return datetime.fromtimestamp(naive.replace(tzinfo=self.zone).timestamp(), self.zone)

    def _later(self, moment: datetime, seconds: int) -> datetime:
        # In absolute time, so that hours which a change of the clocks skips or repeats come out right.
        return datetime.fromtimestamp(moment.timestamp() + seconds, self.zone)


@functools.lru_cache(maxsize=1024)
def parse(line: str, zone: str | None = None) -> Schedule:
    """The schedule of a cron line; `zone` is an IANA name, `TZ=NAME` before the line another way to say it. Raises
    ScheduleError."""
    text = line.strip()
    if text.startswith(("TZ=", "CRON_TZ=")):
        head, _, text = text.partition(" ")
        zone = head.partition("=")[2]
    place = _zone(zone)
    text = text.strip()
    if text.startswith("@every "):
        empty: frozenset[int] = frozenset()
        return Schedule(empty, empty, empty, empty, empty, True, True, place, _duration(text.removeprefix("@every ")))
    fields = _MACROS.get(text, text).split()
    if len(fields) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: {text}")
    minutes, hours, days, months, weekdays = (_field(f, i) for i, f in enumerate(fields))
    stars = [f.startswith(("*", "?")) for f in fields]
    return Schedule(minutes, hours, days, months, weekdays, stars[2], stars[4], place)


def _zone(name: str | None) -> tzinfo:
    if not name:
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error


def _field(text: str, place: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, last = _span(span, place, open_ended=bool(slash))
        stride = _number(step, {}) if slash else 1
        if stride <= 0 or first > last:
            raise ScheduleError(f"failed to parse field {text!r}")
        found.update(range(first, last + 1, stride))
    low, high = _RANGES[place]
    if place == 4:
        found = {n % 7 for n in found if n <= 7}
    if not found or min(found) < low or max(found) > high:
        raise ScheduleError(f"{text!r} is out of range ({low}-{high})")
    return frozenset(found)


def _span(text: str, place: int, *, open_ended: bool) -> tuple[int, int]:
    low, high = _RANGES[place]
    if text in ("*", "?"):
        return low, high
    first, dash, last = text.partition("-")
    start = _number(first, _NAMES[place])
    if dash:
        return start, _number(last, _NAMES[place])
    return start, high if open_ended else start


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not text.isdigit():
        raise ScheduleError(f"failed to parse int from {text!r}")
    return int(text)


def _duration(text: str) -> float:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    total, number = 0.0, ""
    for char in text.strip():
        if char in units and number:
            total, number = total + float(number) * units[char], ""
        elif char.isdigit() or char == ".":
            number += char
        else:
            raise ScheduleError(f"failed to parse duration {text!r}")
    if number or total <= 0:
        raise ScheduleError(f"failed to parse duration {text!r}")
    return total
