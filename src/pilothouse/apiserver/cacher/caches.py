"""All caches of a server over one store."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.cacher.reflector import Source
from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import Store

# Changes are kept in memory this long at least, and at most twice as long: as long as the store keeps history.
_KEEP = 300.0


class Caches:
    """Makes caches and looks after them. `scope` owns their work."""

    def __init__(self, store: Store, clock: Clock, scope: TaskScope) -> None:
        self._store = store
        self._clock = clock
        self._scope = scope
        self._caches: dict[str, WatchCache] = {}

    def __iter__(self) -> Iterator[WatchCache]:
        return iter(self._caches.values())

    def of(self, source: Source) -> WatchCache:
        """The cache of what lies under `source.prefix`; the same one for ever."""
        found = self._caches.get(source.prefix)
        if found is None:
            found = self._caches[source.prefix] = WatchCache(self._store, source, self._clock, self._scope)
        return found

    def retire(self, cache: WatchCache) -> None:
        """Make no more use of a cache: its watches end, and the next that asks for its prefix gets a new one."""
        self._caches = {prefix: held for prefix, held in self._caches.items() if held is not cache}
        cache.retire()

    async def forget_for_ever(self) -> None:
        """A task of the server: give back the memory of old changes."""
        revisions: dict[WatchCache, int] = {}
        while True:
            await self._clock.sleep(_KEEP)
            for cache in self._caches.values():
                if cache in revisions:
                    cache.forget(revisions[cache])
                revisions[cache] = cache.revision
