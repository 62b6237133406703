"""A Reader over objects that a test puts in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pilothouse.api.object import Object
from pilothouse.apiserver.reader import Observer

K = TypeVar("K", bound=Object)


class FakeReader:
    """Keeps objects by kind, namespace and name; `put` and `remove` tell the observers."""

    def __init__(self, *objects: Any) -> None:
        self._objects: dict[type[Any], dict[tuple[str, str], Any]] = {}
        self._observers: dict[type[Any], list[Observer[Any]]] = {}
        for obj in objects:
            self.put(obj)

    def put(self, obj: Any) -> None:
        kept = self._objects.setdefault(type(obj), {})
        key = (obj.metadata.namespace, obj.metadata.name)
        old = kept.get(key)
        kept[key] = obj
        for observer in self._observers.get(type(obj), ()):
            observer(old, obj)

    def remove(self, obj: Any) -> None:
        old = self._objects[type(obj)].pop((obj.metadata.namespace, obj.metadata.name))
        for observer in self._observers.get(type(obj), ()):
            observer(old, None)

    def get(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        found: K | None = self._objects.get(kind, {}).get((namespace, name))
        return found

    def list(self, kind: type[K], namespace: str = "") -> Sequence[K]:
        kept = self._objects.get(kind, {})
        return [obj for (where, _), obj in sorted(kept.items()) if not namespace or where == namespace]

    async def latest(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        return self.get(kind, name, namespace)

    def observe(self, kind: type[K], observer: Observer[K]) -> None:
        self._observers.setdefault(kind, []).append(observer)
        for obj in self._objects.get(kind, {}).values():
            observer(None, obj)
