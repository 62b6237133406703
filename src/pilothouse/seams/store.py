"""The store: keys, bytes, revisions, watches. Engines implement `Store` and pass `tests/contracts/store`.

Every write is one revision, larger than all before it, also across restarts (as in etcd). An acknowledged write is
durable where the engine promises durability.
"""

from __future__ import annotations

from collections.abc import Sequence
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


class WatcherTooSlow(StoreError):
    """A watcher did not take its events in time and was dropped; it may resume from its last revision."""


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
    """A change. A put has `value`; a delete has value None and `mod_revision` the deletion's.
    `previous` is the value before (None on create)."""

    key: str
    value: bytes | None
    create_revision: int
    mod_revision: int
    previous: KeyValue | None


class Watch(Protocol):
    """Events of one prefix in revision order, in batches; a revision's events are never split over batches."""

    async def next(self) -> Sequence[Event]:
        """The next events, at least one. Raises WatcherTooSlow, StoreUnavailable."""
        ...

    def close(self) -> None: ...


class Store(Protocol):
    """A versioned, ordered map from text keys to bytes."""

    async def revision(self) -> int:
        """The revision of the last write acknowledged (a linearizable read)."""
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

    async def watch(self, prefix: str, after_revision: int) -> Watch:
        """Events with a revision larger than `after_revision`. Raises Compacted."""
        ...

    async def compact(self, revision: int) -> None:
        """Forget what is older than `revision`; reads at and after it still work."""
        ...

    async def close(self) -> None: ...
