"""A controller must not act on a cache older than its own last write.

`RecordingClient` is a client that notes what was written; `OwnWrites` waits until the informers show those writes.
Resource versions are revisions of one store: once an informer has seen a later one, it has seen ours.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from pilothouse.api.errors import StatusError
from pilothouse.api.object import Object
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client.interface import Client, ListPage, MetadataClient, Patch, WatchEvent
from pilothouse.machinery.informer import Informer, Informers

K = TypeVar("K", bound=Object)
A = TypeVar("A", bound=Struct)
log = logging.getLogger(__name__)

# A write that no watch shows in this time was undone or the watch is broken: go on, the next event corrects us.
PATIENCE = 30.0
NOT_FOUND = 404


class Deleted(NamedTuple):
    """An object that we asked to be deleted."""

    kind: type[Any]
    name: str
    namespace: str
    uid: str


class OwnWrites:
    """Writes that the caches have not shown yet: the highest revision by kind, and deletions."""

    def __init__(self, informers: Informers, clock: Clock) -> None:
        self._informers = informers
        self._clock = clock
        self._versions: dict[type[Any], int] = {}
        self._deleted: list[Deleted] = []

    def wrote(self, obj: Object) -> None:
        version = obj.metadata.resource_version
        if version:
            self._versions[type(obj)] = max(self._versions.get(type(obj), 0), int(version))

    def deleted(self, kind: type[Any], name: str, namespace: str) -> None:
        informer = self._informers.known(kind)
        held = informer.get(name, namespace) if informer else None
        if held is not None and held.metadata.deletion_timestamp is None:
            self._deleted.append(Deleted(kind, name, namespace, held.metadata.uid))

    @property
    def pending(self) -> bool:
        return bool(self._versions or self._deleted)

    async def wait_seen(self) -> None:
        """Return when the caches show all of it."""
        try:
            async with self._clock.timeout(PATIENCE):
                for kind, version in self._versions.items():
                    if (informer := self._informers.known(kind)) is not None:
                        await informer.wait_version(version)
                for gone in self._deleted:
                    if (informer := self._informers.known(gone.kind)) is not None:
                        await self._wait_deleted(informer, gone)
        except TimeoutError:
            log.warning("own writes not seen in %.0f s: %s %s", PATIENCE, self._versions, self._deleted)
        self._versions.clear()
        self._deleted.clear()

    @staticmethod
    async def _wait_deleted(informer: Informer[Any], gone: Deleted) -> None:
        while True:
            held = informer.get(gone.name, gone.namespace)
            if held is None or held.metadata.uid != gone.uid or held.metadata.deletion_timestamp is not None:
                return
            await informer.wait_version(informer.version + 1)


class RecordingClient:
    """A `Client` that tells `writes` of every object it wrote."""

    def __init__(self, client: Client, writes: OwnWrites) -> None:
        self._client = client
        self._writes = writes

    @property
    def metadata(self) -> MetadataClient:
        return self._client.metadata

    async def get(self, kind: type[K], name: str, namespace: str = "") -> K:
        return await self._client.get(kind, name, namespace)

    async def list(self, kind: type[K], namespace: str = "", **options: Any) -> ListPage[K]:
        return await self._client.list(kind, namespace, **options)

    def watch(
        self, kind: type[K], namespace: str = "", **options: Any
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[K]]]:
        return self._client.watch(kind, namespace, **options)

    async def create(self, obj: K, *, dry_run: bool = False) -> K:
        made = await self._client.create(obj, dry_run=dry_run)
        if not dry_run:
            self._writes.wrote(made)
        return made

    async def update(self, obj: K, *, subresource: str = "") -> K:
        made = await self._client.update(obj, subresource=subresource)
        self._writes.wrote(made)
        return made

    async def patch(self, kind: type[K], name: str, namespace: str, patch: Patch, *, subresource: str = "") -> K:
        made = await self._client.patch(kind, name, namespace, patch, subresource=subresource)
        self._writes.wrote(made)
        return made

    async def delete(self, kind: type[K], name: str, namespace: str = "", **options: Any) -> None:
        try:
            await self._client.delete(kind, name, namespace, **options)
        except StatusError as error:
            if error.code == NOT_FOUND:
                self._writes.deleted(kind, name, namespace)
            raise
        self._writes.deleted(kind, name, namespace)

    async def delete_collection(self, kind: type[K], namespace: str = "", **options: Any) -> None:
        await self._client.delete_collection(kind, namespace, **options)

    async def get_subresource(self, kind: type[K], name: str, namespace: str, subresource: str, answer: type[A]) -> A:
        return await self._client.get_subresource(kind, name, namespace, subresource, answer)

    async def create_subresource(
        self, kind: type[K], name: str, namespace: str, subresource: str, body: Struct, answer: type[A]
    ) -> A:
        return await self._client.create_subresource(kind, name, namespace, subresource, body, answer)
