"""The newest revision of every key, writes under way included: where in-process engines check preconditions."""

from __future__ import annotations

from typing import NamedTuple

from pilothouse.seams.store import Event

# The first revision of an empty store, as in etcd: no object ever has it, and 0 means "no revision".
FIRST_REVISION = 1


class Head(NamedTuple):
    """The newest version of a key that exists."""

    mod_revision: int
    create_revision: int


class Entry(NamedTuple):
    """A write that was given its revision; `previous` is what it replaced, so that it can be undone."""

    event: Event
    previous: Head | None

    @property
    def previous_revision(self) -> int:
        return self.previous.mod_revision if self.previous is not None else 0


class RevisionLog:
    """Gives out revisions. The caller has checked its precondition against `head`."""

    def __init__(self, revision: int = FIRST_REVISION) -> None:
        self.revision = revision
        self._heads: dict[str, Head] = {}

    def __len__(self) -> int:
        return len(self._heads)

    def load(self, key: str, head: Head) -> None:
        """Take in what was there before."""
        self._heads[key] = head

    def head(self, key: str) -> Head | None:
        return self._heads.get(key)

    def put(self, key: str, value: bytes) -> Entry:
        self.revision += 1
        previous = self._heads.get(key)
        created = previous.create_revision if previous is not None else self.revision
        self._heads[key] = Head(self.revision, created)
        return Entry(Event(key, value, created, self.revision), previous)

    def delete(self, key: str) -> Entry:
        self.revision += 1
        return Entry(Event(key, None, 0, self.revision), self._heads.pop(key))

    def replace(self, heads: dict[str, Head], revision: int) -> None:
        """Another history begins, at `revision`."""
        self._heads, self.revision = heads, revision

    def undo(self, entry: Entry) -> None:
        """Take back a write that failed; the latest first. Its revision stays used."""
        if entry.previous is None:
            self._heads.pop(entry.event.key, None)
        else:
            self._heads[entry.event.key] = entry.previous
