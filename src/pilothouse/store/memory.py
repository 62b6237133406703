"""The memory engine: for tests and simulation. Nothing survives it; everything else is as durable engines do it."""

from __future__ import annotations

import bisect
from collections.abc import AsyncIterator, Sequence

from pilothouse.kit.aside import in_turns
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
    Snapshot,
    StoreUnavailable,
    Watch,
)
from pilothouse.store.keys import bounds
from pilothouse.store.revision_log import Entry, Head, RevisionLog
from pilothouse.store.watches import WatchIndex

# Keys that are taken in, or let go, in a row.
_TURN = 128


class _History:
    """Every version of every key since a compaction, and the newest of each that exists."""

    def __init__(self, compacted: int = 0) -> None:
        self.compacted = compacted
        self.log: list[Event] = []
        self.keys = SortedKeys()
        self.newest: dict[str, Event] = {}
        self._versions: dict[str, list[Event]] = {}

    def load(self, event: Event) -> None:
        """Take in what was written before the compaction."""
        versions = self._versions.get(event.key)
        if versions is None:
            self._versions[event.key] = [event]
            self.keys.add(event.key)
        else:
            versions.append(event)
        if event.value is not None:
            self.newest[event.key] = event
        else:
            self.newest.pop(event.key, None)

    def add(self, event: Event) -> None:
        self.log.append(event)
        self.load(event)

    def later(self, revision: int) -> int:
        """Where in the log begins what is later than `revision`."""
        return bisect.bisect_right(self.log, revision, key=lambda event: event.mod_revision)

    def version(self, key: str, at: int) -> KeyValue | None:
        versions = self._versions.get(key, ())
        found = bisect.bisect_right(versions, at, key=lambda event: event.mod_revision)
        return item_of(versions[found - 1]) if found else None

    def compact(self, revision: int) -> None:
        self.compacted = revision
        first = self.later(revision)
        for key in {event.key for event in self.log[:first]}:
            self._forget(key, revision)
        del self.log[:first]

    def _forget(self, key: str, revision: int) -> None:
        """Drop the versions of `key` that nobody can read any more."""
        versions = self._versions[key]
        last = bisect.bisect_right(versions, revision, key=lambda event: event.mod_revision) - 1
        if last >= 0 and versions[last].value is None:
            last += 1
        del versions[: max(last, 0)]
        if not versions:
            self._versions.pop(key, None)
            self.keys.remove(key)

    async def take_apart(self) -> None:
        """Give the memory back in pieces: all at once it would take long."""

        def forget(key: str) -> None:
            del self._versions[key]
            self.newest.pop(key, None)

        self.log.clear()
        await in_turns(list(self._versions), forget, _TURN)


def item_of(event: Event | None) -> KeyValue | None:
    """What a key is after `event`."""
    if event is None or event.value is None:
        return None
    return KeyValue(event.key, event.value, event.create_revision, event.mod_revision)


class MemorySnapshot:
    """A `seams.store.Snapshot`: the very bytes that the store has, which are never changed."""

    def __init__(self, history: _History, revision: int) -> None:
        self.revision = revision
        self._keys = [list(chunk) for chunk in history.keys.slices("", "")]
        self._newest = history.newest.copy()

    async def pieces(self) -> AsyncIterator[Sequence[KeyValue]]:
        for keys in self._keys:
            items = [item for key in keys if (item := item_of(self._newest.get(key))) is not None]
            if items:
                yield items

    async def close(self) -> None:
        """What it holds goes with it."""


class MemoryStore:
    """A `seams.store.Store` in memory. Keeps all history until it is compacted."""

    def __init__(self) -> None:
        self._revision_log = RevisionLog()
        self._history = _History()
        self._watches = WatchIndex()
        self._closed = False
        self._restoring = False

    async def revision(self) -> int:
        self._require_open()
        return self._revision_log.revision

    async def compacted(self) -> int:
        self._require_open()
        return self._history.compacted

    async def get(self, key: str) -> KeyValue | None:
        self._require_open()
        return self._current(key)

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        self._require_open()
        at = revision or self._revision_log.revision
        if at > self._revision_log.revision:
            raise FutureRevision(self._revision_log.revision)
        if at < self._history.compacted:
            raise Compacted(self._history.compacted)
        first, end = bounds(prefix, start)
        keys = (key for chunk in self._history.keys.slices(first, end) for key in chunk)
        found = [item for key in keys if (item := self._history.version(key, at)) is not None]
        items = found[:limit] if limit > 0 else found
        return Range(items, at, len(items) < len(found), len(found))

    async def create(self, key: str, value: bytes) -> int:
        self._require_open(to_write=True)
        current = self._current(key)
        if current is not None:
            raise KeyExists(current)
        return self._write(self._revision_log.put(key, value))

    async def replace(self, key: str, value: bytes, expected_revision: int) -> int:
        self._check(key, expected_revision)
        return self._write(self._revision_log.put(key, value))

    async def delete(self, key: str, expected_revision: int) -> int:
        self._check(key, expected_revision)
        return self._write(self._revision_log.delete(key))

    async def watch(self, prefix: str, after_revision: int, sink: Sink) -> Watch:
        self._require_open()
        if after_revision < self._history.compacted:
            raise Compacted(self._history.compacted)
        feed = self._watches.add(prefix, after_revision, sink, lambda: self._revision_log.revision)
        log = self._history.log
        feed.past([event for event in log[self._history.later(after_revision) :] if event.key.startswith(prefix)])
        feed.go_live()
        return feed

    async def compact(self, revision: int) -> None:
        self._require_open(to_write=True)
        if revision > self._revision_log.revision:
            raise FutureRevision(self._revision_log.revision)
        if revision <= self._history.compacted:
            raise Compacted(self._history.compacted)
        self._history.compact(revision)

    async def snapshot(self) -> Snapshot:
        self._require_open()
        return MemorySnapshot(self._history, self._revision_log.revision)

    async def restore(self, snapshot: Snapshot) -> int:
        self._require_open(to_write=True)
        revision = max(self._revision_log.revision, snapshot.revision) + 1
        history, heads = _History(revision), dict[str, Head]()

        def take(item: KeyValue) -> None:
            history.load(Event(*item))
            heads[item.key] = Head(item.mod_revision, item.create_revision)

        self._restoring = True
        try:
            async for piece in snapshot.pieces():
                await in_turns(piece, take, _TURN)
                self._require_open()
        finally:
            self._restoring = False
        before, self._history = self._history, history
        self._revision_log.replace(heads, revision)
        self._watches.end(Compacted(revision))
        await before.take_apart()
        return revision

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._watches.end(StoreUnavailable("the store is closed"))

    def _require_open(self, *, to_write: bool = False) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if to_write and self._restoring:
            raise StoreUnavailable("the store is being restored")

    def _check(self, key: str, expected_revision: int) -> None:
        self._require_open(to_write=True)
        head = self._revision_log.head(key)
        if head is None or head.mod_revision != expected_revision:
            raise RevisionMismatch(key, expected_revision, self._current(key))

    def _write(self, entry: Entry) -> int:
        event = entry.event
        self._history.add(event)
        self._watches.dispatch((event,))
        return event.mod_revision

    def _current(self, key: str) -> KeyValue | None:
        return item_of(self._history.newest.get(key))
