"""The generic registry: all verbs of one stored kind, from a decoded object to an acknowledged one."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.generic.creating import Creator
from pilothouse.apiserver.generic.kind_store import KindStore, RegistryContext
from pilothouse.apiserver.generic.removing import Remover
from pilothouse.apiserver.generic.storage import Cache, CachedObject, ObjectCodec
from pilothouse.apiserver.generic.updating import Updater
from pilothouse.kinds.strategy import Hooks, Strategy


class Registry:
    """A stored kind in every version it is served in. Writes are bound methods of those who do them."""

    def __init__(
        self,
        strategy: Strategy[Any],
        cache: Cache,
        context: RegistryContext,
        hooks: Hooks | None = None,
        form: ObjectCodec | None = None,
    ) -> None:
        """`form`: how the objects are written, where that is not as their type says."""
        self.kind_store = KindStore(strategy, cache, context, hooks, form)
        self.strategy = strategy
        self.resource = self.kind_store.resource
        self.cache = cache
        self.forms = self.kind_store.forms
        self.bytes = self.kind_store.bytes
        self.prefix = self.kind_store.prefix
        creator = Creator(self.kind_store)
        updater = Updater(self.kind_store, creator)
        self.create = creator.create
        self.update = updater.update
        self.put = updater.put
        self.scale = updater.scale
        self.delete = Remover(self.kind_store).delete

    async def get(self, namespace: str, name: str, revision: int = -1) -> CachedObject:
        """The object; `revision` as in `Cache.get`. Raises StatusError (404)."""
        found = await self.cache.get(self.kind_store.key(namespace, name), revision)
        if found is None:
            raise self.kind_store.not_found(name)
        return found

    def shown(self, item: CachedObject, api_version: str) -> CachedObject:
        """`item` as the version `api_version` shows it."""
        form = self.forms[api_version]
        if form is self.kind_store.own:
            return item
        written = self.bytes[api_version]
        obj = form.from_storage(item.obj)
        return written.of_value(item.key, written.value(obj), item.revision, obj)
