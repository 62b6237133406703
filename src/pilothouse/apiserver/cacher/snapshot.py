"""The objects of a cache as they are now, and as they were at a revision that the window still knows."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice

from pilothouse.apiserver.cacher.event_window import EventWindow
from pilothouse.apiserver.cacher.index import Index
from pilothouse.apiserver.cacher.plan import Plan
from pilothouse.apiserver.generic.storage import CachedObject, Page, Unreadable
from pilothouse.kit.sortedkeys import SortedKeys

# With fewer objects, looking at all of them costs nothing.
_WORTH_AN_INDEX = 200


class Contents:
    """Objects by key, and their keys in order."""

    def __init__(self, prefix: str) -> None:
        self.items: dict[str, CachedObject] = {}
        self.keys = SortedKeys()
        self.unreadable: dict[str, Unreadable] = {}
        """What the store has besides, but nobody can read."""
        self._index = Index(prefix)

    def set(self, key: str, item: CachedObject | None) -> CachedObject | None:
        """Put or (None) remove; what was there before."""
        old = self.items.get(key)
        if self.unreadable:
            self.unreadable.pop(key, None)
        if item is not None:
            self.items[key] = item
            if old is None:
                self.keys.add(key)
        elif old is not None:
            del self.items[key]
            self.keys.remove(key)
        self._index.move(key, old, item)
        return old

    def set_aside(self, found: Unreadable) -> CachedObject | None:
        """Keep the key of what cannot be read; what was there before, if that could."""
        old = self.set(found.key, None)
        self.unreadable[found.key] = found
        return old

    def page(self, plan: Plan, start: str, limit: int, revision: int) -> Page:
        """What `plan` selects now, from key `start` on, at most `limit` (0: all); now is `revision`."""
        first = max(plan.first, start)
        if plan.key:
            found = self.items.get(plan.key) if plan.key >= first else None
            return Page([found] if found is not None and _passes(plan, found) else [], revision)
        if limit <= 0:
            return Page(self._all(plan, first), revision)
        items: list[CachedObject] = []
        get, test = self.items.__getitem__, plan.test
        for chunk in self._candidates(plan, first):
            chosen = map(get, chunk) if test is None else filter(test, map(get, chunk))
            items += islice(chosen, limit + 1 - len(items))
            if len(items) > limit:
                del items[limit:]
                return self._cut(plan, items, revision)
        return Page(items, revision)

    def page_at(self, plan: Plan, start: str, limit: int, revision: int, window: EventWindow) -> Page:
        """The same as it was at `revision`, which is not before the window's floor."""
        then: dict[str, CachedObject | None] = {}
        for record in window.after(revision):
            then.setdefault(record.key, record.old)
        then = {key: item for key, item in then.items() if plan.holds(key)}
        if not then:
            return self.page(plan, start, limit, revision)
        first = max(plan.first, start)
        items: list[CachedObject] = []
        for key in self._merged(plan, first, then):
            item = then[key] if key in then else self.items.get(key)
            if item is None or not _passes(plan, item):
                continue
            if 0 < limit == len(items):
                return self._cut(plan, items, revision, then)
            items.append(item)
        return Page(items, revision)

    def _all(self, plan: Plan, first: str) -> list[CachedObject]:
        items: list[CachedObject] = []
        get, test = self.items.__getitem__, plan.test
        for chunk in self._candidates(plan, first):
            items += map(get, chunk) if test is None else filter(test, map(get, chunk))
        return items

    def _candidates(self, plan: Plan, first: str) -> Iterable[list[str]]:
        """The keys to look at, in order, in pieces: those in the bounds, or of them those that the index knows."""
        if plan.axis[0] in ("label", "field") and len(self.items) >= _WORTH_AN_INDEX:
            found = self._index.keys(plan.axis, plan.value, self.items)
            if len(found) * 4 < len(self.items):
                return [sorted([key for key in found if first <= key < plan.end])]
        return self.keys.slices(first, plan.end)

    def _merged(self, plan: Plan, first: str, then: dict[str, CachedObject | None]) -> Iterator[str]:
        """Present keys and those of `then`, in order, each once."""
        if plan.key:
            if plan.key >= first:
                yield plan.key
            return
        present = (key for chunk in self.keys.slices(first, plan.end) for key in chunk)
        last = ""
        for key in heapq.merge(present, sorted(key for key in then if key >= first)):
            if key != last:
                yield key
            last = key

    def _cut(
        self, plan: Plan, items: list[CachedObject], revision: int, then: dict[str, CachedObject | None] | None = None
    ) -> Page:
        """A page that ends with `items`, though more follow. What follows is counted only if no test decides."""
        next_key = items[-1].key + "\0"
        if plan.test is not None:
            return Page(items, revision, next_key)
        remaining = self.keys.count(next_key, plan.end)
        for key, item in (then or {}).items():
            if key >= next_key:
                remaining += (item is not None) - (key in self.items)
        return Page(items, revision, next_key, remaining)


def _passes(plan: Plan, item: CachedObject) -> bool:
    return plan.test is None or plan.test(item)
