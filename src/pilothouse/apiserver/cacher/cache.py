"""The cache of one resource: written through, read and watched by everyone else."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from pilothouse.apiserver.cacher.fanout import Stream
from pilothouse.apiserver.cacher.plan import Plan, plan
from pilothouse.apiserver.cacher.present import Presents
from pilothouse.apiserver.cacher.reflector import CacheReflector, Source
from pilothouse.apiserver.cacher.unreadable import SetAside
from pilothouse.apiserver.generic.storage import (
    CachedObject,
    ChangeStream,
    ObjectCodec,
    Observer,
    Page,
    SelectionPredicate,
)
from pilothouse.kit import guard
from pilothouse.kit.aside import aside
from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import Compacted, FutureRevision, KeyValue, Store, StoreUnavailable

# Seconds that a read waits for a revision that is not there yet, and between two looks.
FUTURE_PATIENCE = 3.0
FUTURE_POLL = 0.05
# Keys read at once from the store's own history.
_PART = 500


class WatchCache:
    """A `generic.storage.Cache`. It fills itself on first use; `scope` owns its background work."""

    def __init__(self, store: Store, source: Source, clock: Clock, scope: TaskScope) -> None:
        self._store = store
        self._source = source
        self._clock = clock
        self.reflector = CacheReflector(store, source, clock, scope)
        """How it follows the store."""
        self._presents = Presents()
        """The last list that a watch began with."""
        self.unreadable = SetAside(store, self.reflector, source.prefix, lambda: self._reach(-1))

    @property
    def revision(self) -> int:
        return self.reflector.revision

    @property
    def watchers(self) -> int:
        """How many watches are open."""
        return len(self.reflector.fanout)

    def __len__(self) -> int:
        return len(self.reflector.contents.items)

    async def start(self) -> None:
        """Return when the cache is filled. Raises StoreUnavailable."""
        await self.reflector.watch()

    def retire(self) -> None:
        """End the watches now, and follow the store no longer than requests under way need it."""
        self.reflector.retire()

    def forget(self, revision: int, *, expire: bool = False) -> None:
        """Drop changes up to `revision`, as the store does when it is compacted. `expire`: what was before it is not to
        be had even where nothing changed since; nothing may have changed after it."""
        if expire:
            self.reflector.window.reset(revision)
        else:
            self.reflector.window.forget(revision)

    def peek(self, key: str) -> CachedObject | None:
        return self.reflector.contents.items.get(key)

    def items(self, namespace: str = "") -> Sequence[CachedObject]:
        """Everything the cache has now, in key order."""
        if not self.reflector.contents.items:
            return ()
        return self._page(self._plan(SelectionPredicate(namespace)), "", 0).items

    async def get(self, key: str, revision: int = -1) -> CachedObject | None:
        await self._reach(revision)
        found = self.reflector.contents.items.get(key)
        if found is None and (there := self.unreadable.get(key)) is not None:
            raise there.error()
        return found

    async def list(
        self, interest: SelectionPredicate, *, revision: int = -1, exact: bool = False, start: str = "", limit: int = 0
    ) -> Page:
        await self._reach(revision)
        wanted = await aside(interest.weight, partial(self._plan, interest))
        if not exact or revision == self.revision:
            return self._page(wanted, start, limit)
        reflector = self.reflector
        # Where nothing changed for long, the window reaches back to revisions that have expired for everybody else.
        if revision < (compacted := await self._store.compacted()):
            raise Compacted(compacted)
        if revision >= reflector.window.floor:
            return reflector.contents.page_at(wanted, start, limit, revision, reflector.window)
        return await page_of_history(self._store, self._source.form, wanted, start, limit, revision)

    async def watch(self, interest: SelectionPredicate, after: int, *, initial: bool = False) -> ChangeStream:
        await self._reach(after if initial else 0)
        wanted = await aside(interest.weight, partial(self._plan, interest))
        reflector = self.reflector
        if reflector.retired is not None:
            raise reflector.retired
        if initial:
            contents, sequence = reflector.contents, reflector.window.sequence
            present = self._presents.of(contents, sequence, interest, lambda: self._page(wanted, "", 0).items)
            return reflector.fanout.add(wanted, present, self.revision)
        if after < reflector.window.floor:
            raise Compacted(reflector.window.floor)
        stream: Stream = reflector.fanout.add(wanted, None, after)
        for record in reflector.window.after(after):
            stream.offer(record)
        return stream

    async def create(self, key: str, value: bytes, obj: Any = None) -> CachedObject:
        await self.reflector.watch()
        return await self._written(key, value, obj, self._store.create(key, value))

    async def replace(self, key: str, value: bytes, expected_revision: int, obj: Any = None) -> CachedObject:
        await self.reflector.watch()
        return await self._written(key, value, obj, self._store.replace(key, value, expected_revision))

    async def delete(self, key: str, expected_revision: int) -> CachedObject:
        old = await self.get(key, 0)
        if old is None or old.revision != expected_revision:
            old = await self.get(key)
        revision = await self._store.delete(key, expected_revision)
        if old is None or old.revision != expected_revision:
            raise StoreUnavailable(f"the cache did not have what was deleted at {key}")
        return old.at(revision)

    def observe(self, observer: Observer) -> None:
        self.reflector.observe(observer, self.items())

    def _plan(self, interest: SelectionPredicate) -> Plan:
        source = self._source
        return plan(interest, source.form, source.prefix, source.indexed, source.namespaced)

    def _page(self, wanted: Plan, start: str, limit: int) -> Page:
        return self.reflector.contents.page(wanted, start, limit, self.revision)

    async def _written(self, key: str, value: bytes, obj: Any, work: Awaitable[int]) -> CachedObject:
        """The item of a write: the one that the watch has brought by now, unless the store is remote."""
        reflector = self.reflector
        hint = reflector.expect(key, value, obj) if obj is not None else None
        try:
            revision = await work
        finally:
            if hint is not None:
                reflector.expect_no_more(key, hint)
        item = reflector.contents.items.get(key)
        if item is not None and item.revision == revision:
            return item
        return self._source.form.of_value(key, value, revision, obj)

    async def _reach(self, revision: int) -> None:
        """Wait until reads at `revision` are right (-1: the newest, 0: any). Raises FutureRevision."""
        watch = await self.reflector.watch()
        if revision == 0 or 0 < revision <= watch.revision:
            return
        reached = await watch.catch_up()
        waited = 0.0
        while reached < revision:
            if waited >= FUTURE_PATIENCE:
                raise FutureRevision(reached)
            await self._clock.sleep(FUTURE_POLL)
            waited += FUTURE_POLL
            reached = await watch.catch_up()


async def page_of_history(store: Store, form: ObjectCodec, wanted: Plan, start: str, limit: int, revision: int) -> Page:
    """A list at a revision older than a cache's window, from the store's own history. Raises Compacted."""
    items: list[CachedObject] = []
    position, prefix = max(wanted.first, start), wanted.key or wanted.first
    while True:
        found = await store.range(prefix, start=position, limit=_PART, revision=revision)
        for kv in found.items:
            item = _of_history(form, kv)
            if item is None or not wanted.wants(item):
                continue
            if 0 < limit == len(items):
                return Page(items, revision, items[-1].key + "\0")
            items.append(item)
        if not found.more:
            return Page(items, revision)
        position = found.items[-1].key + "\0"


def _of_history(form: ObjectCodec, kv: KeyValue) -> CachedObject | None:
    """None for what cannot be read."""
    read: list[CachedObject] = []

    def take() -> None:
        item = form.of_value(kv.key, kv.value, kv.mod_revision)
        assert item.columns is not None
        read.append(item)

    guard.call("watch cache", kv.key, take)
    return read[0] if read else None
