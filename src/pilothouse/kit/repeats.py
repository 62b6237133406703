"""Which items of a list came before in it: in one pass, however long the list is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable


def repeated(items: Iterable[Hashable]) -> list[bool]:
    """For each item whether an equal one stands before it."""
    seen: set[Hashable] = set()
    found: list[bool] = []
    for item in items:
        found.append(item in seen)
        seen.add(item)
    return found
