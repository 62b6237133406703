"""Hears of objects that come, go, or change what they use, of every resource that some quota counts: built-in kinds
through the shared caches, custom resources by a watch of their metadata."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.api import scheme
from pilothouse.api.facts import Resource
from pilothouse.api.types.meta.v1 import PartialObjectMetadata
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.quota.decide import Name
from pilothouse.machinery.client import MetadataClient, WatchEvent
from pilothouse.machinery.reflector import MetadataSource, Reflector
from pilothouse.semantics import quota as counting

Changed = Callable[[Name, str, bool], None]
"""Told of a resource and a namespace where its usage changed; True if it may have shrunk."""


class _Mirror:
    """Where the objects of a custom resource are; `changed` hears when one comes or goes."""

    def __init__(self, name: Name, changed: Changed) -> None:
        self._name = name
        self._changed = changed
        self._namespaces: dict[str, str] = {}

    def replace(self, items: Sequence[PartialObjectMetadata], resource_version: str) -> None:
        now = {item.metadata.uid: item.metadata.namespace for item in items}
        for uid in self._namespaces.keys() ^ now.keys():
            self._changed(self._name, self._namespaces.get(uid) or now[uid], uid in self._namespaces)
        self._namespaces = now

    def apply(self, event: WatchEvent[PartialObjectMetadata]) -> None:
        meta = event.object.metadata
        if event.type == "DELETED":
            self._namespaces.pop(meta.uid, None)
            self._changed(self._name, meta.namespace, True)
        elif event.type != "BOOKMARK" and meta.uid not in self._namespaces:
            self._namespaces[meta.uid] = meta.namespace
            self._changed(self._name, meta.namespace, False)


class Watches:
    """A watch of each resource that was asked for."""

    def __init__(self, env: Environment, client: MetadataClient, changed: Changed) -> None:
        self._env = env
        self._client = client
        self._changed = changed
        self._built_in: set[Name] = set()
        self._custom: dict[Name, tuple[Resource, asyncio.Task[None]]] = {}

    def add(self, resource: Resource) -> None:
        """Watch a resource, if that is not done yet."""
        name = (resource.group, resource.resource)
        if (resource.group, resource.version, resource.resource) in scheme.BY_RESOURCE:
            self._add_built_in(name, resource)
            return
        held = self._custom.get(name)
        if held is not None and held[0].version == resource.version:
            return
        self.remove(name)
        source, sink = MetadataSource(self._client, resource), _Mirror(name, self._changed)
        reflector = Reflector(source, PartialObjectMetadata, sink, self._env.clock, self._env.chance)
        self._custom[name] = resource, self._env.scope.spawn(reflector.run(), f"quota/{resource.resource}")

    def remove(self, name: Name) -> None:
        """Watch a custom resource no more: it is not served."""
        held = self._custom.pop(name, None)
        if held is not None:
            held[1].cancel()

    def _add_built_in(self, name: Name, resource: Resource) -> None:
        if name in self._built_in:
            return
        kind: Any = scheme.type_of(resource.group, resource.version, resource.kind)
        self._built_in.add(name)

        def changed(old: Any, new: Any) -> None:
            now = self._env.clock.now()
            if (
                old is not None
                and new is not None
                and counting.usage(resource, old, now) == counting.usage(resource, new, now)
                and old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
            ):
                return
            self._changed(name, (new if new is not None else old).metadata.namespace, old is not None)

        self._env.informers.of(kind).add_handler(changed)
