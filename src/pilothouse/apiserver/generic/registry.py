"""The generic registry: all verbs of one stored kind, from a decoded object to an acknowledged one."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.generic.creating import Creator
from pilothouse.apiserver.generic.desk import Desk, Surroundings
from pilothouse.apiserver.generic.removing import Remover
from pilothouse.apiserver.generic.storage import Cache, KindBytes, Stored
from pilothouse.apiserver.generic.updating import Updater
from pilothouse.kinds.strategy import Hooks, Strategy


class Registry:
    """A stored kind in every version it is served in. Writes are bound methods of those who do them."""

    def __init__(
        self,
        strategy: Strategy[Any],
        cache: Cache,
        surroundings: Surroundings,
        hooks: Hooks | None = None,
        form: KindBytes | None = None,
    ) -> None:
        """`form`: how the objects are written, where that is not as their type says."""
        self.desk = Desk(strategy, cache, surroundings, hooks, form)
        self.strategy = strategy
        self.resource = self.desk.resource
        self.cache = cache
        self.forms = self.desk.forms
        self.bytes = self.desk.bytes
        self.prefix = self.desk.prefix
        creator = Creator(self.desk)
        updater = Updater(self.desk, creator)
        self.create = creator.create
        self.update = updater.update
        self.put = updater.put
        self.scale = updater.scale
        self.delete = Remover(self.desk).delete

    async def get(self, namespace: str, name: str, revision: int = -1) -> Stored:
        """The object; `revision` as in `Cache.get`. Raises StatusError (404)."""
        found = await self.cache.get(self.desk.key(namespace, name), revision)
        if found is None:
            raise self.desk.not_found(name)
        return found

    def shown(self, item: Stored, api_version: str) -> Stored:
        """`item` as the version `api_version` shows it."""
        form = self.forms[api_version]
        if form is self.desk.own:
            return item
        written = self.bytes[api_version]
        obj = form.from_storage(item.obj)
        return written.of_value(item.key, written.value(obj), item.revision, obj)
