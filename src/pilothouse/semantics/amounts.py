"""Counts given as a number or a percentage (maxSurge, maxUnavailable, minAvailable). Pure."""

from __future__ import annotations

import re

from pilothouse.api.integers import integer

_PERCENT = re.compile(r"([0-9]+)%\Z")


def scaled(value: int | str | None, total: int, *, round_up: bool, default: int | str = 0) -> int:
    """`value` itself, or that percentage of `total`. Raises ValueError for text that is no percentage."""
    chosen = default if value is None else value
    if isinstance(chosen, int):
        return chosen
    match = _PERCENT.match(chosen)
    if match is None:
        raise ValueError(f'invalid value for IntOrString: invalid type: string is not a percentage: "{chosen}"')
    share = (integer(match.group(1)) or 0) * total
    return -(-share // 100) if round_up else share // 100


def fenceposts(max_surge: int | str | None, max_unavailable: int | str | None, desired: int) -> tuple[int, int]:
    """(surge, unavailable) of a rolling update; both nought would never move, so then one may be unavailable."""
    surge = scaled(max_surge, desired, round_up=True)
    unavailable = scaled(max_unavailable, desired, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable
