"""Cells that many kinds share: ages, joined lists, selectors. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.api.selectors import of_object
from pilothouse.api.time import parse_time
from pilothouse.api.types.meta.v1 import LabelSelector

NONE = "<none>"
UNKNOWN = "<unknown>"


def age(timestamp: str | None, now: float) -> str:
    """The time since `timestamp` as a cell: `5m`, `2d3h`; `<unknown>` if unset."""
    return duration(now - parse_time(timestamp)) if timestamp else UNKNOWN


def duration(seconds: float) -> str:
    """A duration in at most two units, as kubectl prints it."""
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    whole = int(seconds)
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = whole // 3600
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if hours < 17520:
        return f"{days}d"
    years = hours // 8760
    if hours < 70080:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def joined(items: Iterable[str], separator: str = ",", empty: str = NONE) -> str:
    """Items in one cell; `<none>` without any."""
    return separator.join(items) or empty


def labels(found: Mapping[str, str]) -> str:
    """`a=b,c=d` in order of keys; `<none>` without any."""
    return joined(f"{k}={found[k]}" for k in sorted(found))


def selector(found: LabelSelector | None) -> str:
    """A label selector as text: `app=x,tier in (a,b)`; `<none>` if there is none or it is empty."""
    return (str(of_object(found)) if found is not None else "") or NONE
