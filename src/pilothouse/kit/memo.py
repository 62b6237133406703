"""What was made of frozen values, remembered by their identity: for values that many objects share.

Comparing or hashing a deep value costs as much as some of the work it would save; its identity costs nothing. Only
values that are known to be small are remembered: clients may send what they like, and memory is bounded in bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")
R = TypeVar("R")

# How many results a memo has, and how many values are known to be small; then all is forgotten.
LIMIT, _MOST_SMALL = 256, 1024
_small: dict[int, object] = {}


def hold_small(value: object) -> None:
    """Let memos remember what they make of `value`, which is some kilobytes at most."""
    if len(_small) >= _MOST_SMALL:
        _small.clear()
    _small[id(value)] = value  # as long as it is held, no other value has its id


class Memo(Generic[V, R]):
    """`make(value, *beside)`, called once for a small value that is asked about again and again. `make` is a function
    of its arguments alone, `value` is frozen, and nobody changes what comes back. `is_small` finds out about values
    that are not known to be small; what is made of a small value and is of its type is small, too."""

    __slots__ = ("_held", "_is_small", "_make")

    def __init__(self, make: Callable[..., R], is_small: Callable[[V], bool] | None = None) -> None:
        self._make = make
        self._is_small = is_small
        self._held: dict[Hashable, tuple[V, R]] = {}

    def __call__(self, value: V, *beside: Hashable) -> R:
        key = (id(value), beside) if beside else id(value)
        found = self._held.get(key)
        if found is not None:
            return found[1]
        made = self._make(value, *beside)
        if id(value) in _small or (self._is_small is not None and self._is_small(value)):
            self._keep(key, value, made)
        return made

    def _keep(self, key: Hashable, value: V, made: R) -> None:
        if len(self._held) >= LIMIT:
            self._held.clear()
        self._held[key] = (value, made)
        if type(made) is type(value):
            hold_small(made)
