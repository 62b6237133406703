"""Informers: an indexed, immutable view of all objects of a kind, kept current, with handlers that hear of changes.

One informer per kind and process, shared through `Informers`. Objects in it belong to everybody: never change them.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Generic, TypeVar

from pilothouse.api.object import Object
from pilothouse.kit import guard
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client.interface import Client, WatchEvent
from pilothouse.machinery.reflector import Reflector

K = TypeVar("K", bound=Object)
Handler = Callable[[K | None, K | None], None]
"""Told of a change: the object before (None: it is new) and after (None: it is gone)."""
IndexFunction = Callable[[K], Iterable[str]]


class _Index(Generic[K]):
    """Objects by the values that a function finds in them."""

    def __init__(self, function: IndexFunction[K]) -> None:
        self.function = function
        self.held: dict[str, dict[tuple[str, str], K]] = {}

    def put(self, key: tuple[str, str], old: K | None, new: K | None) -> None:
        if old is not None:
            for value in self.function(old):
                bucket = self.held.get(value)
                if bucket is not None:
                    bucket.pop(key, None)
                    if not bucket:
                        del self.held[value]
        if new is not None:
            for value in self.function(new):
                self.held.setdefault(value, {})[key] = new


class Informer(Generic[K]):
    """A mirror of one kind. Reading never waits; `synced` says whether the first list has come in."""

    def __init__(self, kind: type[K]) -> None:
        self.kind = kind
        self.synced = False
        self.version = 0
        """The server has shown everything of this kind up to this revision."""
        self._objects: dict[str, dict[str, K]] = {}
        self._handlers: list[Handler[K]] = []
        self._indexes: dict[str, _Index[K]] = {}
        self._waiting: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0

    def get(self, name: str, namespace: str = "") -> K | None:
        return self._objects.get(namespace, {}).get(name)

    def list(self, namespace: str = "") -> Sequence[K]:
        """Those of a namespace; all there are (cluster-scoped ones too) when that is empty."""
        return list(self._iterate(namespace))

    def _iterate(self, namespace: str) -> Iterator[K]:
        if namespace:
            yield from self._objects.get(namespace, {}).values()
        else:
            for held in self._objects.values():
                yield from held.values()

    def __len__(self) -> int:
        return sum(map(len, self._objects.values()))

    def add_index(self, name: str, function: IndexFunction[K]) -> None:
        """Keep objects findable by `function`'s values; a second call with a name that is there changes nothing."""
        if name in self._indexes:
            return
        index = self._indexes[name] = _Index(function)
        guard.each(
            "informer index",
            self._iterate(""),
            lambda obj: index.put((obj.metadata.namespace, obj.metadata.name), None, obj),
        )

    def by_index(self, name: str, value: str) -> Sequence[K]:
        return list(self._indexes[name].held.get(value, {}).values())

    def index_values(self, name: str) -> Set[str]:
        """The values that an index finds anything by."""
        return self._indexes[name].held.keys()

    def add_handler(self, handler: Handler[K]) -> None:
        """Call `handler` for every object there is (as new), then at every change. It must be quick and not raise."""
        self._handlers.append(handler)
        guard.each("informer handler", self.list(), lambda obj: handler(None, obj))

    def replace(self, items: Sequence[K], resource_version: str) -> None:
        """Take in a full list; handlers hear of the differences only."""
        gone = {(o.metadata.namespace, o.metadata.name): o for o in self._iterate("")}
        for obj in items:
            gone.pop((obj.metadata.namespace, obj.metadata.name), None)
            self._put(obj)
        for obj in gone.values():
            self._remove(obj)
        self.synced = True
        self._advance(resource_version)

    def apply(self, event: WatchEvent[K]) -> None:
        """Take in one change."""
        if event.type == "DELETED":
            self._remove(event.object)
        elif event.type != "BOOKMARK":
            self._put(event.object)
        self._advance(event.object.metadata.resource_version)

    async def wait_synced(self) -> None:
        await self.wait_version(0)

    async def wait_version(self, version: int) -> None:
        """Return when everything up to revision `version` has been seen."""
        if self.shows(version):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.when_version(version, lambda: None if future.done() else future.set_result(None))
        await future

    def shows(self, version: int) -> bool:
        """Whether everything up to revision `version` has been seen."""
        return self.synced and self.version >= version

    def when_version(self, version: int, callback: Callable[[], None]) -> None:
        """Call `callback` once, as soon as everything up to revision `version` has been seen, which is not yet."""
        self._order += 1
        heapq.heappush(self._waiting, (version, self._order, callback))

    def _put(self, obj: K) -> None:
        meta = obj.metadata
        held = self._objects.setdefault(meta.namespace, {})
        old = held.get(meta.name)
        if old is not None and old.metadata.resource_version == meta.resource_version:
            return
        if old is not None and old.metadata.uid != meta.uid:
            # Deleted and made anew while nobody looked: two objects, so two changes.
            self._remove(old)
            held, old = self._objects.setdefault(meta.namespace, {}), None
        held[meta.name] = obj
        self._tell(old, obj)

    def _remove(self, obj: K) -> None:
        meta = obj.metadata
        held = self._objects.get(meta.namespace, {})
        old = held.pop(meta.name, None)
        if not held:
            self._objects.pop(meta.namespace, None)
        if old is not None:
            self._tell(obj if obj.metadata.uid == old.metadata.uid else old, None, indexed=old)

    def _tell(self, old: K | None, new: K | None, indexed: K | None = None) -> None:
        one = new if new is not None else old
        assert one is not None
        key = (one.metadata.namespace, one.metadata.name)
        about = (self.kind.__name__, *key)
        for index in self._indexes.values():
            guard.call("informer index", about, index.put, key, indexed or old, new)
        guard.tell("informer handler", about, self._handlers, old, new)

    def _advance(self, resource_version: str) -> None:
        if resource_version:
            self.version = max(self.version, int(resource_version))
        while self._waiting and self.synced and self._waiting[0][0] <= self.version:
            heapq.heappop(self._waiting)[2]()


class Informers:
    """The informers of a process, one a kind, each started when first asked for. `fields` narrows kinds of which the
    process sees a part only (a node's own Node)."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        chance: Chance,
        scope: TaskScope,
        *,
        fields: Mapping[type[Any], str] | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self.chance = chance
        self._scope = scope
        self._fields = fields or {}
        self._held: dict[type[Any], Informer[Any]] = {}

    def of(self, kind: type[K]) -> Informer[K]:
        """The shared informer of `kind`."""
        held: Informer[K] | None = self._held.get(kind)
        if held is None:
            held = self._held[kind] = Informer(kind)
            selector = self._fields.get(kind, "")
            reflector = Reflector(self._client, kind, held, self._clock, self.chance, field_selector=selector)
            self._scope.spawn(reflector.run(), f"informer/{kind.__name__}")
        return held

    def known(self, kind: type[Any]) -> Informer[Any] | None:
        """The informer of `kind` if somebody asked for it before."""
        return self._held.get(kind)

    async def read(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        """The object as the server has it now, past every cache. Raises the client's errors."""
        page = await self._client.list(kind, namespace, field_selector=f"metadata.name={name}")
        return page.items[0] if page.items else None

    async def wait_synced(self) -> None:
        """Return when every informer asked for so far has its first list."""
        for informer in tuple(self._held.values()):
            await informer.wait_synced()
