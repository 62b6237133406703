"""The store: keys, bytes, revisions, watches. Engines implement `Store` and pass `tests/contracts/store`.

Every write is one revision, larger than all before it, also across restarts (as in etcd). An acknowledged write is
durable where the engine promises durability.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol


class StoreError(Exception):
    """The store cannot do what was asked; subclasses say why."""


class KeyExists(StoreError):
    """A create found the key present; `current` is what is there."""

    def __init__(self, current: KeyValue) -> None:
        super().__init__(f"key {current.key} exists at revision {current.mod_revision}")
        self.current = current


class RevisionMismatch(StoreError):
    """A replace or delete found another revision than it expected; `current` is what is there, None if nothing."""

    def __init__(self, key: str, expected: int, current: KeyValue | None) -> None:
        found = f"revision {current.mod_revision}" if current else "no such key"
        super().__init__(f"key {key}: expected revision {expected}, found {found}")
        self.key, self.expected, self.current = key, expected, current


class Compacted(StoreError):
    """The revision asked for is older than the last compaction."""

    def __init__(self, compacted_revision: int) -> None:
        super().__init__(f"required revision has been compacted (at {compacted_revision})")
        self.compacted_revision = compacted_revision


class FutureRevision(StoreError):
    """The revision asked for has not happened yet."""

    def __init__(self, current_revision: int) -> None:
        super().__init__(f"required revision is a future revision (now {current_revision})")
        self.current_revision = current_revision


class StoreUnavailable(StoreError):
    """The engine cannot write or read now (disk full, server away); nothing was acknowledged."""


class NotRestorable(StoreError):
    """The engine cannot replace its history while it serves; the text says what can."""


class KeyValue(NamedTuple):
    key: str
    value: bytes
    create_revision: int
    mod_revision: int


class Range(NamedTuple):
    """`items` in key order; `revision` the store's revision they are consistent at; `more` if `limit` cut it;
    `total` counts all keys in the prefix from the start key on."""

    items: Sequence[KeyValue]
    revision: int
    more: bool
    total: int


class Event(NamedTuple):
    """A change. A put has `value`, and is a creation if both revisions are the same; a delete has value None and
    create_revision 0. In-process engines hand over the very bytes object that was written."""

    key: str
    value: bytes | None
    create_revision: int
    mod_revision: int


class Sink(Protocol):
    """Takes the events of a watch, on the loop, in revision order. Must not block, and must not write to the store."""

    def events(self, batch: Sequence[Event]) -> None:
        """The next events, at least one."""
        ...

    def ended(self, error: StoreError) -> None:
        """Nothing more comes: Compacted (it fell too far behind, or the history was replaced) or StoreUnavailable.
        Begin anew with a range."""
        ...


class Watch(Protocol):
    """A running watch."""

    @property
    def revision(self) -> int:
        """The sink has had every event up to this revision."""
        ...

    async def catch_up(self) -> int:
        """Return once the sink has every event acknowledged before this call; the revision it stands at.
        With in-process engines this never waits. Raises what the watch ended with."""
        ...

    def close(self) -> None:
        """No event is delivered after this. Idempotent."""
        ...


class Snapshot(Protocol):
    """What a store held at one revision: every key, its bytes as they are stored, its revisions. No history.

    It never changes, whatever becomes of the store, and every engine takes what any other made. What it holds is kept,
    in memory or in a file, until it is closed.
    """

    @property
    def revision(self) -> int: ...

    def pieces(self) -> AsyncIterator[Sequence[KeyValue]]:
        """The keys in order, some hundreds at a time; from the beginning each time it is called. Raises
        StoreUnavailable, and Compacted if the engine is remote and has forgotten that revision since."""
        ...

    async def close(self) -> None:
        """Idempotent."""
        ...


class Store(Protocol):
    """A versioned, ordered map from text keys to bytes.

    An in-process engine delivers a write's event to the sinks before the write is acknowledged to its caller, so that
    whoever has an answer finds the change in every cache.
    """

    async def revision(self) -> int:
        """The revision of the last write acknowledged (a linearizable read)."""
        ...

    async def compacted(self) -> int:
        """The revision of the last compaction: the oldest that can be read and watched from (0 if there was none)."""
        ...

    async def get(self, key: str) -> KeyValue | None: ...

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Keys under `prefix` from `start` (inclusive) on, at `revision` (0: now). Raises Compacted, FutureRevision."""
        ...

    async def create(self, key: str, value: bytes) -> int:
        """The new revision. Raises KeyExists."""
        ...

    async def replace(self, key: str, value: bytes, expected_revision: int) -> int:
        """The new revision. Raises RevisionMismatch."""
        ...

    async def delete(self, key: str, expected_revision: int) -> int:
        """The deletion's revision. Raises RevisionMismatch."""
        ...

    async def watch(self, prefix: str, after_revision: int, sink: Sink) -> Watch:
        """Give `sink` the events with a revision larger than `after_revision`: past ones first, then as they happen.
        `after_revision` may lie in the future. Raises Compacted."""
        ...

    async def compact(self, revision: int) -> None:
        """Forget what is older than `revision`; reads at and watches after it still work. Raises FutureRevision,
        Compacted if that much is forgotten already."""
        ...

    async def snapshot(self) -> Snapshot:
        """The store as it is after every write acknowledged before this call."""
        ...

    async def restore(self, snapshot: Snapshot) -> int:
        """Replace everything by what `snapshot` holds, all of it or (if this raises, or the process ends) nothing.

        Keys have the revisions they had. The store's own, which is returned, is larger than any that it or the snapshot
        came to, and counts as compacted: every watch ends with Compacted, and no revision means two things. Meanwhile
        reads find what was there before, and whoever writes or compacts is refused with StoreUnavailable. Raises
        StoreUnavailable, NotRestorable, and what the snapshot raises."""
        ...

    async def close(self) -> None:
        """Finish what was begun, then refuse everything with StoreUnavailable. Idempotent."""
        ...
