"""The items of an nftables table and the difference between two states of it, as one transaction. Pure.

Items are counted: two Services that need the same chain hold it twice, and it goes when both are gone. Only what
changed since the last commit is looked at, so that the cost of a change does not depend on the size of the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

CHUNK = 500  # elements a command: one line of nft for 44,000 would be parsed slowly


class Chain(NamedTuple):
    """A chain and its rules; `hook` is the base chain's declaration ("" for a chain that is jumped to)."""

    name: str
    rules: tuple[str, ...]
    hook: str = ""


class Collection(NamedTuple):
    """A set or a map: `kind` is the word, `declaration` its type, flags and timeout."""

    kind: str
    name: str
    declaration: str


class Element(NamedTuple):
    """A member of a set, or with a value, of a map."""

    kind: str
    collection: str
    key: str
    value: str = ""


Item = Chain | Collection | Element


class Ruleset:
    """What the table should be, and what it was when last committed."""

    def __init__(self, family: str, name: str, base: Iterable[Item]) -> None:
        self.family = family
        self.name = name
        self._wanted: Counter[Item] = Counter(base)
        self._committed: set[Item] = set()
        self._dirty: set[Item] = set(self._wanted)

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            self._wanted[item] += 1
            self._dirty.add(item)

    def remove(self, items: Iterable[Item]) -> None:
        """Take back what was added: raises KeyError for more than that."""
        for item in items:
            if self._wanted[item] <= 0:
                raise KeyError(item)
            self._wanted[item] -= 1
            if not self._wanted[item]:
                del self._wanted[item]
            self._dirty.add(item)

    def committed(self) -> None:
        """The last `difference` or `whole` is in the kernel."""
        for item in self._dirty:
            if item in self._wanted:
                self._committed.add(item)
            else:
                self._committed.discard(item)
        self._dirty.clear()

    def forget(self) -> None:
        """The kernel's state is unknown: the next transaction must be `whole`."""
        self._committed = set()
        self._dirty = set(self._wanted)

    def whole(self) -> str:
        """A transaction that replaces whatever the table was. Connections that are up are not touched by it."""
        table = f"{self.family} {self.name}"
        lines = [f"add table {table}", f"delete table {table}", f"add table {table}"]
        return "\n".join([*lines, *self._commands(set(), set(self._wanted))]) + "\n"

    def difference(self) -> str:
        """A transaction from the last committed state to what is wanted; "" if they are the same."""
        added = {i for i in self._dirty if i in self._wanted and i not in self._committed}
        removed = {i for i in self._dirty if i not in self._wanted and i in self._committed}
        lines = list(self._commands(removed, added))
        return "\n".join(lines) + "\n" if lines else ""

    def _commands(self, removed: set[Item], added: set[Item]) -> Iterator[str]:
        """In an order that never leaves a reference dangling."""
        where = f"{self.family} {self.name}"
        chains = sorted(i for i in added if isinstance(i, Chain))
        fresh = {c.name for c in chains}
        old = {i.name for i in removed if isinstance(i, Chain)}
        for collection in sorted(i for i in added if isinstance(i, Collection)):
            yield f"add {collection.kind} {where} {collection.name} {{ {collection.declaration} }}"
        for chain in chains:
            declared = f" {{ {chain.hook} }}" if chain.hook else ""
            yield f"{'flush' if chain.name in old else 'add'} chain {where} {chain.name}{declared}"
        for chain in chains:
            for rule in chain.rules:
                yield f"add rule {where} {chain.name} {rule}"
        yield from self._elements("delete", removed)
        yield from self._elements("add", added)
        gone = sorted(old - fresh)
        yield from (f"flush chain {where} {name}" for name in gone)
        yield from (f"delete chain {where} {name}" for name in gone)
        for collection in sorted(i for i in removed if isinstance(i, Collection)):
            yield f"delete {collection.kind} {where} {collection.name}"

    def _elements(self, verb: str, items: set[Item]) -> Iterator[str]:
        groups: dict[str, list[str]] = {}
        for item in items:
            if isinstance(item, Element):
                text = f"{item.key} : {item.value}" if item.value and verb == "add" else item.key
                groups.setdefault(item.collection, []).append(text)
        for collection in sorted(groups):
            texts = sorted(groups[collection])
            for start in range(0, len(texts), CHUNK):
                members = ", ".join(texts[start : start + CHUNK])
                yield f"{verb} element {self.family} {self.name} {collection} {{ {members} }}"
