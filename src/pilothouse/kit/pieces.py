"""Work on large inputs in calls of C code that are short each: no other thread runs during such a call. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeVar

X = TypeVar("X")

ITEMS = 4096
"""Items that one call may take: sorting so many texts takes a millisecond."""


def in_order(items: Collection[X], key: Callable[[X], Any] | None = None) -> list[X]:
    """The items sorted, as `sorted` does it: equal ones stay in their order. Without a key they can be compared."""
    sort: Callable[..., list[X]] = sorted
    if len(items) <= ITEMS:
        return sort(items, key=key)
    rest = list(items)
    runs = [sort(rest[start : start + ITEMS], key=key) for start in range(0, len(rest), ITEMS)]
    merge: Callable[..., Iterator[X]] = heapq.merge
    return list(merge(*runs, key=key))  # each item is made by a step of the interpreter
