"""The last changes of a cache, for watches that resume and lists that go on at an older revision."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from pilothouse.apiserver.generic.storage import CachedObject, CacheEvent, ChangeType

# Encodings are dropped once a change is this far back; who is slower encodes for himself.
_ENCODED = 256


class Record(Struct, gc=False, eq=False):
    """One change: what was there before and after (None: nothing)."""

    sequence: int
    revision: int
    old: CachedObject | None
    new: CachedObject | None
    _changes: dict[ChangeType, CacheEvent] | None = None

    @property
    def key(self) -> str:
        return self.new.key if self.new is not None else self.old.key if self.old is not None else ""

    @property
    def size(self) -> int:
        return len(self.new.tail) if self.new is not None else 0

    def change(self, type: ChangeType) -> CacheEvent:
        """What watchers are told who see it as `type`: one object for all of them."""
        if self._changes is None:
            self._changes = {}
        found = self._changes.get(type)
        if found is None:
            item = self.new
            if type == "DELETED":
                assert self.old is not None
                item = self.old.at(self.revision)
            found = self._changes[type] = CacheEvent(type, item, self.revision, self.sequence)
        return found

    def drop_encodings(self) -> None:
        for change in (self._changes or {}).values():
            change.drop_encodings()


class EventWindow:
    """Records in order of revision, bounded in number and bytes. All changes after revision `floor` are there."""

    def __init__(self, floor: int, max_records: int = 20_000, max_bytes: int = 24_000_000) -> None:
        self.floor = floor
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records: list[Record] = []
        self._first = 0
        """Records before this index are forgotten; cut off from time to time."""
        self._bytes = 0
        self._sequence = 1
        self.first_sequence = 2
        """The sequence number of the oldest record, or of the next one if there is none."""

    @property
    def sequence(self) -> int:
        """That of the newest record."""
        return self._sequence

    def add(self, old: CachedObject | None, new: CachedObject | None, revision: int) -> Record:
        self._sequence += 1
        record = Record(self._sequence, revision, old, new)
        self._records.append(record)
        self._bytes += record.size
        if len(self._records) - self._first > _ENCODED:
            self._records[-_ENCODED - 1].drop_encodings()
        while self._over() and len(self._records) - self._first > 1:
            self._forget_one()
        return record

    def reset(self, floor: int) -> None:
        """Forget everything; the state at revision `floor` was just loaded."""
        self.floor = floor
        self._records.clear()
        self._first = self._bytes = 0
        self.first_sequence = self._sequence + 1

    def forget(self, revision: int) -> None:
        """Drop what happened up to `revision`."""
        while self._first < len(self._records) and self._records[self._first].revision <= revision:
            self._forget_one()

    def after(self, revision: int) -> Iterator[Record]:
        """The records later than `revision`, which is not before `floor`."""
        low, high = self._first, len(self._records)
        while low < high:
            middle = (low + high) // 2
            if self._records[middle].revision > revision:
                high = middle
            else:
                low = middle + 1
        for index in range(low, len(self._records)):
            yield self._records[index]

    def _over(self) -> bool:
        return len(self._records) - self._first > self._max_records or self._bytes > self._max_bytes

    def _forget_one(self) -> None:
        record = self._records[self._first]
        self.floor = record.revision
        self._bytes -= record.size
        self._first += 1
        self.first_sequence += 1
        if self._first > 1024 and self._first * 2 > len(self._records):
            del self._records[: self._first]
            self._first = 0
        else:
            self._records[self._first - 1] = _GONE


_GONE = Record(0, 0, None, None)
