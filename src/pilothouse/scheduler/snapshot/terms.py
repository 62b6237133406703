"""Affinity terms that pods on nodes hold towards newcomers: one column for all pods with an equal term."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from pilothouse.scheduler.snapshot.pods import PodInfo
from pilothouse.semantics.pod_affinity import Term

if TYPE_CHECKING:
    from pilothouse.scheduler.snapshot.columns import Columns

TermKey = tuple[object, ...]


def term_key(term: Term) -> TermKey:
    """Equal for terms that mean the same."""
    return term.topology_key, term.namespaces, term.namespace_selector, term.selector


class Held:
    """A term with the column of its holders: how many, or their weights, on each node."""

    __slots__ = ("column", "holders", "kind", "term")

    def __init__(self, kind: str, term: Term, column: str) -> None:
        self.kind = kind
        self.term = term
        self.column = column
        self.holders = 0


class _Owner(Protocol):
    columns: Columns


class Terms:
    """`kind` is "anti" (required anti-affinity), "hard" (required affinity) or "soft" (preferred, signed weights)."""

    def __init__(self, owner: _Owner) -> None:
        self._owner = owner
        self._held: dict[tuple[str, TermKey], Held] = {}
        self._made = 0

    def __len__(self) -> int:
        return len(self._held)

    def of_kind(self, *kinds: str) -> Iterator[Held]:
        return (held for held in self._held.values() if held.kind in kinds)

    def account(self, info: PodInfo, row: int, sign: int) -> None:
        """A pod came to (1) or left (-1) the node in `row`."""
        for kind, term, weight in info.profile.terms:
            key = (kind, term_key(term))
            held = self._held.get(key)
            if held is None:
                self._made += 1
                held = self._held[key] = Held(kind, term, f"term/{self._made}")
                self._owner.columns.ensure(held.column)
            held.holders += sign
            self._owner.columns[held.column][row] += sign * weight
            if not held.holders:
                self._owner.columns.drop(held.column)
                del self._held[key]
