"""Cron schedules, as CronJobs write them: five fields, names of months and days, `@daily`, `@every 5m`, zones. Pure.

Reads and computes what robfig/cron v3 does (ParseStandard, Schedule.Next), its errors' texts included: the API refuses
by it and the CronJob controller runs by it.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from pilothouse.api.go_text import quote

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_ZONE = re.compile(r"(?:CRON_)?TZ=([^ ]*) ")
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_SPACES = re.compile(f"[{_SPACE}]+")
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_AMOUNT = re.compile(r"([0-9]*)(\.?)([0-9]*)([^0-9.]*)")
_INT64 = 2**63 - 1
_YEARS = 5


class CronError(ValueError):
    """A schedule that cannot be read."""


@dataclass(frozen=True)
class _Field:
    low: int
    high: int
    names: dict[str, int] = field(default_factory=dict)


_FIELDS = (
    _Field(0, 59),
    _Field(0, 23),
    _Field(1, 31),
    _Field(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


@dataclass(frozen=True, slots=True)
class _Values:
    """What a field allows. `star`: it was (also) written as `*` or `?`, without a step above 1."""

    allowed: frozenset[int]
    star: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """When: values of minute, hour, day, month and weekday (0 is Sunday) in a zone; or every so many seconds. A day has
    to match both its fields if one of them has a star, else one of them."""

    fields: tuple[_Values, ...] = ()
    zone: tzinfo = UTC
    every_seconds: int = 0

    def next(self, after: float) -> float | None:
        """The first moment later than `after` (both in seconds since the epoch); None if there is none within five
        years. Hours that a change of the clocks skips are skipped, those it repeats come twice."""
        if self.every_seconds:
            return float(int(after) + self.every_seconds)
        if not all(values.allowed for values in self.fields):
            return None
        return _Search(self, int(after) + 1).run()

    def matches_day(self, moment: datetime) -> bool:
        """Whether the day of a local time is one of the schedule's."""
        days, weekdays = self.fields[2], self.fields[4]
        day, weekday = moment.day in days.allowed, moment.isoweekday() % 7 in weekdays.allowed
        return (day and weekday) if days.star or weekdays.star else (day or weekday)


class _Search:
    """Steps a moment forward, the largest unit first, until all fields match. `reset`: the moment has been moved, so
    that its smaller units start at their lowest."""

    def __init__(self, schedule: Schedule, start: int) -> None:
        self._schedule = schedule
        self._at = start
        self._reset = False
        self._last = self._local.year + _YEARS

    @property
    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._at, self._schedule.zone)

    def run(self) -> float | None:
        minutes, hours, _, months, _ = (values.allowed for values in self._schedule.fields)
        while self._local.year <= self._last:
            if self._month(months) and self._day() and self._hour(hours) and self._minute(minutes):
                return float(self._at)
        return None

    def _month(self, allowed: frozenset[int]) -> bool:
        """Whether a month was found before the year turned."""
        while (local := self._local).month not in allowed:
            year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
            self._set(datetime(year, month, 1))
            if month == 1:
                return False
        return True

    def _day(self) -> bool:
        while not self._schedule.matches_day(local := self._local):
            self._set(datetime(local.year, local.month, local.day) + timedelta(days=1))
            # Midnight may not exist on a day when the clocks change.
            if hour := self._local.hour:
                self._at += (24 - hour if hour > 12 else -hour) * 3600
            if self._local.day == 1:
                return False
        return True

    def _hour(self, allowed: frozenset[int]) -> bool:
        while (local := self._local).hour not in allowed:
            if not self._reset:
                self._set(datetime(local.year, local.month, local.day, local.hour))
            self._at += 3600
            if self._local.hour == 0:
                return False
        return True

    def _minute(self, allowed: frozenset[int]) -> bool:
        if self._at % 60:
            # The seconds have to be nought: the next minute is the first that can match.
            self._at += 60 - self._at % 60
            self._reset = True
            return False
        while self._local.minute not in allowed:
            self._at += 60
            self._reset = True
            if self._local.minute == 0:
                return False
        return True

    def _set(self, wall: datetime) -> None:
        self._at = _at(wall, self._schedule.zone)
        self._reset = True


def _at(wall: datetime, zone: tzinfo) -> int:
    """The moment of a local time; one that the clocks skip is read with the offset before or after, as Go does."""
    guess = int(wall.replace(tzinfo=UTC).timestamp())
    offset = _offset(guess, zone)
    return guess - _offset(guess - offset, zone) if offset else guess


def _offset(moment: int, zone: tzinfo) -> int:
    shift = datetime.fromtimestamp(moment, zone).utcoffset()
    return int(shift.total_seconds()) if shift is not None else 0


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Schedule:
    """The schedule of a line; `TZ=NAME` or `CRON_TZ=NAME` before it names its zone. Raises CronError."""
    if not text:
        raise CronError("empty spec string")
    zone: tzinfo = UTC
    if match := _ZONE.match(text):
        zone = _zone(match[1])
        text = text[match.end() :].strip(_SPACE)
    if text.startswith("@"):
        return _descriptor(text, zone)
    return _plain(text, zone)


def _plain(text: str, zone: tzinfo) -> Schedule:
    fields = [part for part in _SPACES.split(text) if part]
    if len(fields) != len(_FIELDS):
        raise CronError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    return Schedule(tuple(_values(part, bounds) for part, bounds in zip(fields, _FIELDS, strict=True)), zone)


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC", "Local"):
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CronError(f"provided bad location {name}: unknown time zone {name}") from error


def _descriptor(text: str, zone: tzinfo) -> Schedule:
    if text in _DESCRIPTORS:
        return _plain(_DESCRIPTORS[text], zone)
    if not text.startswith(_EVERY):
        raise CronError(f"unrecognized descriptor: {text}")
    try:
        nanoseconds = _duration(text.removeprefix(_EVERY))
    except CronError as error:
        raise CronError(f"failed to parse duration {text}: {error}") from None
    return Schedule(every_seconds=max(nanoseconds // 10**9, 1))


def _duration(text: str) -> int:
    """Nanoseconds, as Go's time.ParseDuration reads them. Raises CronError with its words."""
    bad = CronError(f"time: invalid duration {quote(text)}")
    negative, rest = text.startswith("-"), text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise bad
    total = 0
    while rest:
        match = _AMOUNT.match(rest)
        if match is None or not (match[1] or match[3]):
            raise bad
        whole, _, fraction, unit = match.groups()
        if not unit:
            raise CronError(f"time: missing unit in duration {quote(text)}")
        if unit not in _UNITS:
            raise CronError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        fraction = fraction[:18]
        total += int(whole[:20] or "0") * _UNITS[unit] + int(fraction or "0") * _UNITS[unit] // 10 ** len(fraction)
        if total > _INT64 + negative:
            raise bad
        rest = rest[match.end() :]
    return -total if negative else total


def _values(text: str, bounds: _Field) -> _Values:
    allowed: set[int] = set()
    star = False
    for piece in filter(None, text.split(",")):
        values, starred = _range(piece, bounds)
        allowed.update(values)
        star = star or starred
    return _Values(frozenset(allowed), star)


def _number(text: str) -> int:
    if not _INTEGER.match(text):
        raise CronError(f"failed to parse int from {text}: strconv.Atoi: parsing {quote(text)}: invalid syntax")
    number = int(text) if len(text) < 4000 else _INT64 + 1
    if not -_INT64 - 1 <= number <= _INT64:
        raise CronError(f"failed to parse int from {text}: strconv.Atoi: parsing {quote(text)}: value out of range")
    if number < 0:
        raise CronError(f"negative number ({number}) not allowed: {text}")
    return number


def _named(text: str, bounds: _Field) -> int:
    number = bounds.names.get(text.lower())
    return _number(text) if number is None else number


def _range(piece: str, bounds: _Field) -> tuple[range, bool]:
    span, *steps = piece.split("/")
    ends = span.split("-")
    star = ends[0] in ("*", "?")
    if star:
        low, high = bounds.low, bounds.high
    else:
        low = _named(ends[0], bounds)
        if len(ends) > 2:
            raise CronError(f"too many hyphens: {piece}")
        high = _named(ends[1], bounds) if len(ends) == 2 else low
    if len(steps) > 1:
        raise CronError(f"too many slashes: {piece}")
    step = 1
    if steps:
        step = _number(steps[0])
        if len(ends) == 1:
            high = bounds.high  # "N/step" means "N-max/step"
        star = star and step <= 1
    if low < bounds.low:
        raise CronError(f"beginning of range ({low}) below minimum ({bounds.low}): {piece}")
    if high > bounds.high:
        raise CronError(f"end of range ({high}) above maximum ({bounds.high}): {piece}")
    if low > high:
        raise CronError(f"beginning of range ({low}) beyond end of range ({high}): {piece}")
    if step == 0:
        raise CronError(f"step of range should be a positive number: {piece}")
    return range(low, high + 1, step), star
