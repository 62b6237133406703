"""A store whose values lie encrypted in another: between the API server, which sees them plain, and any engine."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import NamedTuple, TypeVar

from pilothouse.seams.store import (
    Event,
    KeyExists,
    KeyValue,
    Range,
    RevisionMismatch,
    Sink,
    Snapshot,
    Store,
    StoreError,
    Watch,
)
from pilothouse.store.encryption.providers import ENCRYPTED, CannotDecrypt, Provider

T = TypeVar("T")
log = logging.getLogger(__name__)
_PAGE = 500


class Rule(NamedTuple):
    """Values below `prefix` are written with the first of `providers`, and read with any."""

    prefix: str
    providers: tuple[Provider, ...]


def open_value(rule: Rule, key: str, stored: bytes) -> bytes:
    """The plain value. Raises CannotDecrypt."""
    failure: CannotDecrypt | None = None
    for provider in rule.providers:
        if stored.startswith(provider.header):
            try:
                return provider.open(stored, key)
            except CannotDecrypt as error:
                failure = failure or error
    raise failure or CannotDecrypt("no matching prefix found")


def _rule_of(key: str, rules: Sequence[Rule]) -> Rule | None:
    return next((rule for rule in rules if key.startswith(rule.prefix)), None)


def _concern(rules: Sequence[Rule], prefix: str) -> bool:
    """Whether there may be a key with `prefix` that has a rule."""
    return any(prefix.startswith(rule.prefix) or rule.prefix.startswith(prefix) for rule in rules)


def is_stale(rule: Rule, stored: bytes) -> bool:
    """Whether a value was written with another than the first provider."""
    return _writer(rule, stored) is not rule.providers[0]


def _writer(rule: Rule, stored: bytes) -> Provider | None:
    """Whose header a value has; the identity's is empty, so the others are asked first."""
    fitting = [provider for provider in rule.providers if stored.startswith(provider.header)]
    return max(fitting, key=lambda provider: len(provider.header), default=None)


class EncryptedStore:
    """A `seams.store.Store` over `inner`. Of rules for one key the first counts; keys without one pass through.

    A value that cannot be opened is handed on as it lies on the disk and told to the log: no decoder reads it, so it is
    set aside as every unreadable object is, and can be deleted. Snapshots hold what lies in `inner`, encrypted:
    restored elsewhere they need the same keys.
    """

    def __init__(self, inner: Store, rules: Sequence[Rule]) -> None:
        self._inner = inner
        self._rules = tuple(rules)
        self._prefixes = tuple(rule.prefix for rule in rules)
        self._writing: dict[bytes, bytes] = {}
        """Stored to plain, of writes under way: their events carry the very bytes that were written."""

    async def revision(self) -> int:
        return await self._inner.revision()

    async def compacted(self) -> int:
        return await self._inner.compacted()

    async def compact(self, revision: int) -> None:
        await self._inner.compact(revision)

    async def snapshot(self) -> Snapshot:
        return await self._inner.snapshot()

    async def restore(self, snapshot: Snapshot) -> int:
        return await self._inner.restore(snapshot)

    async def close(self) -> None:
        await self._inner.close()

    async def get(self, key: str) -> KeyValue | None:
        found = await self._inner.get(key)
        return found if found is None or not key.startswith(self._prefixes) else self._opened(found)

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        found = await self._inner.range(prefix, start=start, limit=limit, revision=revision)
        if not _concern(self._rules, prefix):
            return found
        return found._replace(items=[self._opened(item) for item in found.items])

    async def create(self, key: str, value: bytes) -> int:
        if not key.startswith(self._prefixes):
            return await self._inner.create(key, value)
        stored = self._sealed(key, value)
        return await self._written(stored, self._inner.create(key, stored))

    async def replace(self, key: str, value: bytes, expected_revision: int) -> int:
        if not key.startswith(self._prefixes):
            return await self._inner.replace(key, value, expected_revision)
        stored = self._sealed(key, value)
        return await self._written(stored, self._inner.replace(key, stored, expected_revision))

    async def delete(self, key: str, expected_revision: int) -> int:
        if not key.startswith(self._prefixes):
            return await self._inner.delete(key, expected_revision)
        return await self._told(self._inner.delete(key, expected_revision))

    async def watch(self, prefix: str, after_revision: int, sink: Sink) -> Watch:
        if _concern(self._rules, prefix):
            sink = _OpeningSink(self, sink)
        return await self._inner.watch(prefix, after_revision, sink)

    async def rewrite(self) -> int:
        """Write what was written with an old key (or with none) anew with the first; how many values were. One that
        somebody changes meanwhile, or that cannot be opened, is left alone."""
        count = 0
        for rule in self._rules:
            position, more = "", True
            while more:
                found = await self._inner.range(rule.prefix, start=position, limit=_PAGE)
                for item in found.items:
                    if _rule_of(item.key, self._rules) is rule and is_stale(rule, item.value):
                        count += await self._rewritten(item)
                more = found.more
                position = found.items[-1].key + "\0" if more else ""
        return count

    async def _rewritten(self, item: KeyValue) -> bool:
        plain = self._opened(item)
        if plain is item and item.value.startswith(ENCRYPTED):
            return False
        try:
            await self.replace(item.key, plain.value, item.mod_revision)
        except RevisionMismatch:
            return False
        return True

    def _sealed(self, key: str, value: bytes) -> bytes:
        rule = _rule_of(key, self._rules)
        assert rule is not None
        stored = rule.providers[0].seal(value, key)
        self._writing[stored] = value
        return stored

    async def _written(self, stored: bytes, write: Awaitable[int]) -> int:
        try:
            return await self._told(write)
        finally:
            self._writing.pop(stored, None)

    async def _told(self, write: Awaitable[T]) -> T:
        """`write`, with the values in its errors opened."""
        try:
            return await write
        except KeyExists as error:
            raise KeyExists(self._opened(error.current)) from None
        except RevisionMismatch as error:
            current = self._opened(error.current) if error.current is not None else None
            raise RevisionMismatch(error.key, error.expected, current) from None

    def _opened(self, item: KeyValue) -> KeyValue:
        value = self.plain(item.key, item.value, item.mod_revision)
        return item if value is item.value else item._replace(value=value)

    def plain(self, key: str, stored: bytes, revision: int) -> bytes:
        """The value of `key`; what is stored itself if there is no rule for it, or if it cannot be opened."""
        if (value := self._writing.get(stored)) is not None:
            return value
        rule = _rule_of(key, self._rules)
        if rule is None:
            return stored
        try:
            return open_value(rule, key, stored)
        except CannotDecrypt as error:
            log.error("the stored object cannot be decrypted: %s", error, extra={"key": key, "revision": revision})
            return stored


class _OpeningSink:
    """Hands the events of a watch on with their values opened."""

    def __init__(self, store: EncryptedStore, sink: Sink) -> None:
        self._store = store
        self._sink = sink

    def events(self, batch: Sequence[Event]) -> None:
        plain = self._store.plain
        self._sink.events(
            [
                event
                if event.value is None
                else event._replace(value=plain(event.key, event.value, event.mod_revision))
                for event in batch
            ]
        )

    def ended(self, error: StoreError) -> None:
        self._sink.ended(error)
