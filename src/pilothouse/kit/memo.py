"""What was made of frozen values, remembered by their identity: for values that many objects share.

Comparing or hashing a deep value costs as much as some of the work it would save; its identity costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")
R = TypeVar("R")

LIMIT = 256


class Memo(Generic[V, R]):
    """`make(value, *beside)`, called once for a value that is asked about again and again. `make` is a function of its
    arguments alone, `value` is frozen, and nobody changes what comes back. All is forgotten when it gets too much."""

    __slots__ = ("_held", "_make")

    def __init__(self, make: Callable[..., R]) -> None:
        self._make = make
        self._held: dict[Hashable, tuple[V, R]] = {}

    def __call__(self, value: V, *beside: Hashable) -> R:
        key = (id(value), beside) if beside else id(value)
        found = self._held.get(key)
        if found is not None:
            return found[1]
        made = self._make(value, *beside)
        if len(self._held) >= LIMIT:
            self._held.clear()
        self._held[key] = (value, made)  # as long as it is held, no other value has its id
        return made
