"""The memory engine: for tests and simulation. Nothing survives it; everything else is as durable engines do it."""

from __future__ import annotations

import bisect

from pilothouse.kit.sortedkeys import SortedKeys
from pilothouse.seams.store import (
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyValue,
    Range,
    RevisionMismatch,
    Sink,
    StoreUnavailable,
    Watch,
)
from pilothouse.store.feeds import Feeds
from pilothouse.store.keys import bounds
from pilothouse.store.ledger import Entry, Ledger


class MemoryStore:
    """A `seams.store.Store` in memory. Keeps all history until it is compacted."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._compacted = 0
        self._log: list[Event] = []
        self._versions: dict[str, list[Event]] = {}
        self._keys = SortedKeys()
        self._feeds = Feeds()
        self._closed = False

    async def revision(self) -> int:
        self._require_open()
        return self._ledger.revision

    async def compacted(self) -> int:
        self._require_open()
        return self._compacted

    async def get(self, key: str) -> KeyValue | None:
        self._require_open()
        return self._current(key)

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        self._require_open()
        at = revision or self._ledger.revision
        if at > self._ledger.revision:
            raise FutureRevision(self._ledger.revision)
        if at < self._compacted:
            raise Compacted(self._compacted)
        first, end = bounds(prefix, start)
        keys = (key for chunk in self._keys.slices(first, end) for key in chunk)
        found = [item for key in keys if (item := self._version(key, at)) is not None]
        items = found[:limit] if limit > 0 else found
        return Range(items, at, len(items) < len(found), len(found))

    async def create(self, key: str, value: bytes) -> int:
        self._require_open()
        current = self._current(key)
        if current is not None:
            raise KeyExists(current)
        return self._write(self._ledger.put(key, value))

    async def replace(self, key: str, value: bytes, expected_revision: int) -> int:
        self._check(key, expected_revision)
        return self._write(self._ledger.put(key, value))

    async def delete(self, key: str, expected_revision: int) -> int:
        self._check(key, expected_revision)
        return self._write(self._ledger.delete(key))

    async def watch(self, prefix: str, after_revision: int, sink: Sink) -> Watch:
        self._require_open()
        if after_revision < self._compacted:
            raise Compacted(self._compacted)
        feed = self._feeds.add(prefix, after_revision, sink, lambda: self._ledger.revision)
        first = bisect.bisect_right(self._log, after_revision, key=lambda event: event.mod_revision)
        feed.past([event for event in self._log[first:] if event.key.startswith(prefix)])
        feed.go_live()
        return feed

    async def compact(self, revision: int) -> None:
        self._require_open()
        if revision > self._ledger.revision:
            raise FutureRevision(self._ledger.revision)
        if revision <= self._compacted:
            raise Compacted(self._compacted)
        self._compacted = revision
        first = bisect.bisect_right(self._log, revision, key=lambda event: event.mod_revision)
        for key in {event.key for event in self._log[:first]}:
            self._forget(key, revision)
        del self._log[:first]

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._feeds.end(StoreUnavailable("the store is closed"))

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _check(self, key: str, expected_revision: int) -> None:
        self._require_open()
        head = self._ledger.head(key)
        if head is None or head.mod_revision != expected_revision:
            raise RevisionMismatch(key, expected_revision, self._current(key))

    def _write(self, entry: Entry) -> int:
        event = entry.event
        self._log.append(event)
        versions = self._versions.get(event.key)
        if versions is None:
            self._versions[event.key] = [event]
            self._keys.add(event.key)
        else:
            versions.append(event)
        self._feeds.dispatch((event,))
        return event.mod_revision

    def _current(self, key: str) -> KeyValue | None:
        return self._version(key, self._ledger.revision)

    def _version(self, key: str, at: int) -> KeyValue | None:
        versions = self._versions.get(key, ())
        found = bisect.bisect_right(versions, at, key=lambda event: event.mod_revision)
        if not found:
            return None
        event = versions[found - 1]
        if event.value is None:
            return None
        return KeyValue(key, event.value, event.create_revision, event.mod_revision)

    def _forget(self, key: str, revision: int) -> None:
        """Drop the versions of `key` that nobody can read any more."""
        versions = self._versions[key]
        last = bisect.bisect_right(versions, revision, key=lambda event: event.mod_revision) - 1
        if last >= 0 and versions[last].value is None:
            last += 1
        del versions[: max(last, 0)]
        if not versions:
            self._versions.pop(key, None)
            self._keys.remove(key)
