"""The Reader of authenticators, authorizers and admission, over the server's watch caches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pilothouse.api.object import Object
from pilothouse.apiserver.generic.storage import Cache, CachedObject
from pilothouse.apiserver.reader import Observer
from pilothouse.kinds.strategy import Strategy

K = TypeVar("K", bound=Object)


class CachedReader:
    """Reads stored objects (of storage versions) from `caches`, by type."""

    def __init__(self, caches: Mapping[type[Any], tuple[Strategy[Any], Cache]]) -> None:
        self._caches = caches

    def _key(self, kind: type[Any], name: str, namespace: str) -> tuple[Cache, str]:
        strategy, cache = self._caches[kind]
        return cache, f"/registry/{strategy.prefix}/{namespace}/{name}" if namespace else (
            f"/registry/{strategy.prefix}/{name}"
        )

    def get(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        cache, key = self._key(kind, name, namespace)
        found = cache.peek(key)
        return None if found is None else found.obj

    def list(self, kind: type[K], namespace: str = "") -> Sequence[K]:
        _strategy, cache = self._caches[kind]
        return [item.obj for item in cache.items(namespace)]

    async def latest(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        cache, key = self._key(kind, name, namespace)
        found = await cache.get(key)
        return None if found is None else found.obj

    def observe(self, kind: type[K], observer: Observer[K]) -> None:
        def told(before: CachedObject | None, after: CachedObject | None) -> None:
            observer(None if before is None else before.obj, None if after is None else after.obj)

        self._caches[kind][1].observe(told)
