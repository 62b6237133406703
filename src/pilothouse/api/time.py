"""Timestamps of the API: RFC 3339 text in UTC, to the second (Time) or the microsecond (MicroTime). Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_FRACTION = re.compile(r"[.,](\d+)")
_MICRO = re.compile(r"[.,](\d{6})(?!\d)")
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)")


class TimeError(ValueError):
    """Text that is no timestamp; the message is that of Go's parser."""


def format_time(seconds: float) -> str:
    """A Time from seconds since the epoch; fractions are cut, as the API does."""
    return _of_second(int(seconds))


@functools.lru_cache(maxsize=64)
def _of_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds")[:-6] + "Z"


def format_micro_time(seconds: float) -> str:
    """A MicroTime from seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_time(text: str) -> float:
    """Seconds since the epoch of a Time or MicroTime in canonical form."""
    return datetime.fromisoformat(text).timestamp()


def canonical_time(text: str) -> str:
    """The canonical form of a client's Time. Raises TimeError; "" for Go's zero time."""
    return _canonical(text, _LAYOUT, lambda t: t.isoformat(timespec="seconds") + "Z")


def canonical_micro_time(text: str) -> str:
    """The canonical form of a client's MicroTime, which must have just six digits of fraction. Raises TimeError."""
    return _canonical(text, _MICRO_LAYOUT, lambda t: t.isoformat(timespec="microseconds") + "Z")


def _canonical(text: str, layout: str, printed: Callable[[datetime], str]) -> str:
    moment = _Parser(text, layout).parse()
    if moment == datetime(1, 1, 1):
        return ""
    return printed(moment)


class _Parser:
    """Goes along Go's layout element by element, to fail where and as Go does."""

    def __init__(self, text: str, layout: str) -> None:
        self.text, self.layout, self.rest = text, layout, text

    def fail(self, element: str) -> TimeError:
        return TimeError(f'parsing time "{self.text}" as "{self.layout}": cannot parse "{self.rest}" as "{element}"')

    def range(self, what: str) -> TimeError:
        return TimeError(f'parsing time "{self.text}": {what} out of range')

    def literal(self, char: str) -> None:
        if not self.rest.startswith(char):
            raise self.fail(char)
        self.rest = self.rest[len(char) :]

    def digits(self, count: int, element: str, least: int = 0) -> int:
        found = self.rest[:count]
        short = re.match(r"\d{1,2}", found) if least else None
        if short is not None:
            found = short.group()
        if (len(found) != count and short is None) or not found.isascii() or not found.isdigit():
            raise self.fail(element)
        self.rest = self.rest[len(found) :]
        return int(found)

    def parse(self) -> datetime:
        year = self.digits(4, "2006")
        self.literal("-")
        month = self.digits(2, "01")
        if not 1 <= month <= 12:
            raise self.range("month")
        self.literal("-")
        day = self.digits(2, "02")
        self.literal("T")
        hour = self.digits(2, "15", least=1)
        if hour > 23:
            raise self.range("hour")
        self.literal(":")
        minute = self.digits(2, "04")
        if minute > 59:
            raise self.range("minute")
        self.literal(":")
        second = self.digits(2, "05")
        if second > 59:
            raise self.range("second")
        micros = self.fraction()
        offset = self.zone()
        if self.rest:
            raise TimeError(f'parsing time "{self.text}": extra text: "{self.rest}"')
        try:
            moment = datetime(max(year, 1), month, day, hour, minute, second, micros)
        except ValueError:
            raise self.range("day") from None
        try:
            return moment - offset
        except OverflowError:
            return datetime(1, 1, 1)

    def fraction(self) -> int:
        if self.layout == _MICRO_LAYOUT:
            exact = _MICRO.match(self.rest)
            if exact is None:
                raise self.fail(".000000")
            self.rest = self.rest[7:]
            return int(exact.group(1))
        found = _FRACTION.match(self.rest)
        if found is not None:
            self.rest = self.rest[found.end() :]
        return 0

    def zone(self) -> timedelta:
        if self.rest.startswith("Z"):
            self.rest = self.rest[1:]
            return timedelta()
        found = _ZONE.match(self.rest)
        if found is None:
            raise self.fail("Z07:00")
        sign, hours, minutes = found.groups()
        if int(hours) > 24:
            raise self.range("time zone offset hour")
        if int(minutes) > 60:
            raise self.range("time zone offset minute")
        self.rest = self.rest[6:]
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return -offset if sign == "-" else offset
