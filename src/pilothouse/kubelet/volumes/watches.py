"""Watches of the ConfigMaps and Secrets that mounted volumes show, one for each object however many pods use it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from pilothouse.api.types.core.v1 import ConfigMap, Pod, Secret
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client.interface import Client, WatchEvent
from pilothouse.machinery.reflector import Reflector

Reference = tuple[type[ConfigMap] | type[Secret], str, str]
# In every pod and never changed: the periodic refresh is enough for it.
STEADY = "kube-root-ca.crt"


def references(pod: Pod) -> Iterator[Reference]:
    """(kind, namespace, name) of what the pod's volumes show and may change."""
    space = pod.metadata.namespace
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            yield ConfigMap, space, volume.config_map.name
        if volume.secret is not None:
            yield Secret, space, volume.secret.secret_name
        for source in (volume.projected.sources or ()) if volume.projected is not None else ():
            if source.config_map is not None and source.config_map.name != STEADY:
                yield ConfigMap, space, source.config_map.name
            if source.secret is not None:
                yield Secret, space, source.secret.name


def shows_metadata(pod: Pod) -> bool:
    """Whether a volume shows the pod's own labels or annotations, which may change."""
    items = [item for v in pod.spec.volumes if v.downward_api is not None for item in v.downward_api.items]
    for volume in pod.spec.volumes:
        for source in (volume.projected.sources or ()) if volume.projected is not None else ():
            items += source.downward_api.items if source.downward_api is not None else ()
    return any(item.field_ref is not None for item in items)


class _Mirror:
    """A reflector's sink that only tells of changes."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._version: str | None = None

    def replace(self, items: Sequence[Any], resource_version: str) -> None:
        version = items[0].metadata.resource_version if items else ""
        before, self._version = self._version, version
        if before is not None and before != version:
            self._changed()

    def apply(self, event: WatchEvent[Any]) -> None:
        if event.type != "BOOKMARK":
            self._version = event.object.metadata.resource_version
            self._changed()


class ObjectWatches:
    """Who wants what; `changed` is told the uid of each pod that shows an object that has changed."""

    def __init__(
        self, client: Client, clock: Clock, chance: Chance, scope: TaskScope, changed: Callable[[str], None]
    ) -> None:
        self._client = client
        self._clock = clock
        self._chance = chance
        self._scope = scope
        self._changed = changed
        self._wanted: dict[Reference, set[str]] = {}
        self._tasks: dict[Reference, asyncio.Task[None]] = {}

    def want(self, uid: str, wanted: Collection[Reference]) -> None:
        """Pod `uid` shows these objects and no others."""
        for reference in [r for r, uids in self._wanted.items() if uid in uids and r not in wanted]:
            self._drop(reference, uid)
        for reference in wanted:
            self._wanted.setdefault(reference, set()).add(uid)
            if reference not in self._tasks:
                self._tasks[reference] = self._begin(reference)

    def forget(self, uid: str) -> None:
        self.want(uid, ())

    def _drop(self, reference: Reference, uid: str) -> None:
        uids = self._wanted[reference]
        uids.discard(uid)
        if not uids:
            del self._wanted[reference]
            self._tasks.pop(reference).cancel()

    def _begin(self, reference: Reference) -> asyncio.Task[None]:
        kind, namespace, name = reference

        def tell() -> None:
            for uid in tuple(self._wanted.get(reference, ())):
                self._changed(uid)

        reflector: Reflector[Any] = Reflector(
            self._client,
            kind,
            _Mirror(tell),
            self._clock,
            self._chance,
            namespace=namespace,
            field_selector=f"metadata.name={name}",
        )
        return self._scope.spawn(reflector.run(), f"watch/{namespace}/{name}")
