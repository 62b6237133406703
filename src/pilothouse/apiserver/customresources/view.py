"""A version of a custom resource that is not the one it is stored in: the cache of the stored one, seen through a
conversion."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.api.custom import CustomObject
from pilothouse.apiserver.generic.storage import (
    Cache,
    CachedObject,
    CacheEvent,
    ChangeStream,
    ObjectCodec,
    Observer,
    Page,
    SelectionPredicate,
)
from pilothouse.kit.aside import in_turns

_REMEMBERED = 256
Convert = Callable[[CustomObject], CustomObject]
"""Raises StatusError where it cannot."""


class VersionView:
    """A `generic.storage.Cache` of one version, over the cache of the storage version, whose form is `stored`."""

    def __init__(self, inner: Cache, form: ObjectCodec, stored: ObjectCodec, show: Convert, store: Convert) -> None:
        self._inner = inner
        self.unreadable = inner.unreadable
        self._form, self._stored = form, stored
        self._show, self._store = show, store
        self._shown: collections.OrderedDict[tuple[str, int], CachedObject] = collections.OrderedDict()

    @property
    def revision(self) -> int:
        return self._inner.revision

    def __len__(self) -> int:
        return len(self._inner)

    def peek(self, key: str) -> CachedObject | None:
        found = self._inner.peek(key)
        return None if found is None else self._seen(found)

    def items(self, namespace: str = "") -> Sequence[CachedObject]:
        return [self._seen(item) for item in self._inner.items(namespace)]

    async def get(self, key: str, revision: int = -1) -> CachedObject | None:
        found = await self._inner.get(key, revision)
        return None if found is None else self._seen(found)

    async def list(
        self, interest: SelectionPredicate, *, revision: int = -1, exact: bool = False, start: str = "", limit: int = 0
    ) -> Page:
        page = await self._inner.list(interest, revision=revision, exact=exact, start=start, limit=limit)
        return page._replace(items=await in_turns(page.items, self._seen))

    async def watch(self, interest: SelectionPredicate, after: int, *, initial: bool = False) -> ChangeStream:
        return _ShownStream(await self._inner.watch(interest, after, initial=initial), self._seen)

    async def create(self, key: str, value: bytes, obj: Any = None) -> CachedObject:
        converted = self._converted(value, obj)
        return self._seen(await self._inner.create(key, self._stored.value(converted), converted))

    async def replace(self, key: str, value: bytes, expected_revision: int, obj: Any = None) -> CachedObject:
        converted = self._converted(value, obj)
        written = await self._inner.replace(key, self._stored.value(converted), expected_revision, converted)
        return self._seen(written)

    async def delete(self, key: str, expected_revision: int) -> CachedObject:
        return self._seen(await self._inner.delete(key, expected_revision))

    def observe(self, observer: Observer) -> None:
        def told(before: CachedObject | None, after: CachedObject | None) -> None:
            observer(before and self._seen(before), after and self._seen(after))

        self._inner.observe(told)

    def _converted(self, value: bytes, obj: Any) -> CustomObject:
        return self._store(obj if obj is not None else self._form.of_value("", value, 0).obj)

    def _seen(self, item: CachedObject) -> CachedObject:
        """The item in this version; the last few are remembered."""
        mark = (item.key, item.revision)
        found = self._shown.get(mark)
        if found is None:
            obj = self._show(item.obj)
            found = self._form.of_value(item.key, self._form.value(obj), item.revision, obj)
            self._shown[mark] = found
            if len(self._shown) > _REMEMBERED:
                self._shown.popitem(last=False)
        return found


class _ShownStream:
    """The changes of a watch in another version."""

    def __init__(self, inner: ChangeStream, show: Callable[[CachedObject], CachedObject]) -> None:
        self._inner, self._show = inner, show

    @property
    def beginning(self) -> bool:
        return self._inner.beginning

    async def next(self) -> Sequence[CacheEvent]:
        return await in_turns(await self._inner.next(), self._shown)

    def _shown(self, change: CacheEvent) -> CacheEvent:
        return change if change.item is None else CacheEvent(change.type, self._show(change.item), change.revision)

    @property
    def revision(self) -> int:
        return self._inner.revision

    def close(self) -> None:
        self._inner.close()
