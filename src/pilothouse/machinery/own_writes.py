"""A controller must not act on a cache older than its own last write, however long that takes (KEP-5647).

`RecordingClient` is a client that notes what was written; `OwnWrites` tells whether the informers show those writes.
Resource versions are revisions of one store: once an informer has seen a later one, it has seen ours.

An answer may be lost: the connection broke, or the server failed while it wrote. Such a write counts as done until a
look at the server shows what became of it. A create whose request may still be under way is repeated under the same
name instead (that is why names are chosen here and not by the server): however often it arrives, it makes one object.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from pilothouse.api.errors import StatusError
from pilothouse.api.object import Object
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client.interface import (
    CLIENT_ERRORS,
    Client,
    ListPage,
    MetadataClient,
    Patch,
    TransportError,
    WatchEvent,
)
from pilothouse.machinery.informer import Informer, Informers

K = TypeVar("K", bound=Object)
A = TypeVar("A", bound=Struct)

NOT_FOUND, SERVER_ERROR, TIMEOUT = 404, 500, 504
# As the server generates them: five characters, of a name of at most 63; so many attempts until one is free.
LONGEST_PREFIX = 58
NAME_ATTEMPTS = 8
LIFETIME = 60.0
"""Seconds that a server works at a request at most (upstream's `--request-timeout`)."""


class Deleted(NamedTuple):
    """An object that we asked to be deleted."""

    kind: type[Any]
    name: str
    namespace: str
    uid: str


class Lost(NamedTuple):
    """A write of which nobody knows whether it was done; `again` is what a create that may still be under way wrote,
    and `until` when it cannot be under way any more (monotonic seconds)."""

    kind: type[Any]
    name: str
    namespace: str
    again: Any = None
    until: float = 0.0


class OwnWrites:
    """Writes for one key that the caches have not shown yet: the highest revision by kind, deletions, lost ones."""

    def __init__(self, informers: Informers, clock: Clock) -> None:
        self._informers = informers
        self._clock = clock
        self._versions: dict[type[Any], int] = {}
        self._deleted: list[Deleted] = []
        self._lost: list[Lost] = []

    def wrote(self, obj: Object) -> None:
        version = obj.metadata.resource_version
        if version and self._informers.known(type(obj)) is not None:
            self._versions[type(obj)] = max(self._versions.get(type(obj), 0), int(version))

    def deleted(self, kind: type[Any], name: str, namespace: str) -> None:
        informer = self._informers.known(kind)
        held = informer.get(name, namespace) if informer else None
        if held is not None and held.metadata.deletion_timestamp is None:
            self._deleted.append(Deleted(kind, name, namespace, held.metadata.uid))

    def lost(self, kind: type[Any], name: str, namespace: str, again: Any = None) -> None:
        if self._informers.known(kind) is not None:
            self._lost.append(Lost(kind, name, namespace, again, self._clock.monotonic() + LIFETIME))

    @property
    def pending(self) -> bool:
        return bool(self._versions or self._deleted or self._lost)

    async def find_lost(self, client: Client) -> None:
        """Find out what became of lost writes; what is still not known stays. Raises the client's errors."""
        while self._lost:
            write = self._lost[-1]
            refusal = await self._repeated(client, write) if write.again is not None else None
            found = await self._informers.read(write.kind, write.name, write.namespace)
            if found is not None:
                self.wrote(found)
            elif refusal is not None and self._clock.monotonic() < write.until:
                raise refusal  # what is refused now may have been admitted when it was sent
            else:
                self.deleted(write.kind, write.name, write.namespace)
            self._lost.pop()

    async def _repeated(self, client: Client, write: Lost) -> StatusError | None:
        """Create the object again; the refusal, if it is not that it is there already."""
        try:
            await client.create(write.again)
        except CLIENT_ERRORS as error:
            if isinstance(error, TransportError) or _unanswered(error):
                # This request may be under way now as well.
                self._lost[-1] = write._replace(until=self._clock.monotonic() + LIFETIME)
                raise
            return None if error.reason == "AlreadyExists" else error
        return None

    def unseen(self) -> tuple[Informer[Any], int] | None:
        """An informer that does not show all of it, and the revision to look again at; None if all is shown."""
        for kind, version in self._versions.items():
            informer = self._informers.of(kind)
            if not informer.shows(version):
                return informer, version
        self._versions.clear()
        while self._deleted:
            gone = self._deleted[-1]
            informer = self._informers.of(gone.kind)
            held = informer.get(gone.name, gone.namespace)
            if held is not None and held.metadata.uid == gone.uid and held.metadata.deletion_timestamp is None:
                return informer, informer.version + 1
            self._deleted.pop()
        return None


class RecordingClient:
    """A `Client` that tells `writes` of every object it wrote. The metadata client beside it does not: those who use it
    know nothing but what it shows."""

    def __init__(self, client: Client, writes: OwnWrites, suffix: Callable[[], str]) -> None:
        self._client = client
        self._writes = writes
        self._suffix = suffix

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
        if dry_run:
            return await self._client.create(obj, dry_run=True)
        generated = not obj.metadata.name and bool(obj.metadata.generate_name)
        attempt = 1
        while True:
            named = self._named(obj) if generated else obj
            try:
                return await self._create(named)
            except StatusError as error:
                if not generated or error.reason != "AlreadyExists" or attempt == NAME_ATTEMPTS:
                    raise
            attempt += 1

    def _named(self, obj: K) -> K:
        meta: Any = obj.metadata
        meta = msgspec.structs.replace(meta, name=meta.generate_name[:LONGEST_PREFIX] + self._suffix())
        changed: Any = obj
        named: K = msgspec.structs.replace(changed, metadata=meta)
        return named

    async def _create(self, obj: K) -> K:
        meta = obj.metadata
        try:
            made = await self._client.create(obj)
        except CLIENT_ERRORS as error:
            if _unanswered(error):
                self._writes.lost(type(obj), meta.name, meta.namespace, obj if _under_way(error) else None)
            raise
        self._writes.wrote(made)
        return made

    async def _written(self, kind: type[K], name: str, namespace: str, work: Awaitable[K]) -> K:
        try:
            made = await work
        except CLIENT_ERRORS as error:
            if _unanswered(error):
                self._writes.lost(kind, name, namespace)
            raise
        self._writes.wrote(made)
        return made

    async def update(self, obj: K, *, subresource: str = "") -> K:
        meta, work = obj.metadata, self._client.update(obj, subresource=subresource)
        return await self._written(type(obj), meta.name, meta.namespace, work)

    async def patch(self, kind: type[K], name: str, namespace: str, patch: Patch, *, subresource: str = "") -> K:
        work = self._client.patch(kind, name, namespace, patch, subresource=subresource)
        return await self._written(kind, name, namespace, work)

    async def delete(self, kind: type[K], name: str, namespace: str = "", **options: Any) -> None:
        try:
            await self._client.delete(kind, name, namespace, **options)
        except CLIENT_ERRORS as error:
            if _unanswered(error):
                self._writes.lost(kind, name, namespace)
            elif isinstance(error, StatusError) and error.code == NOT_FOUND:
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
        try:
            made = await self._client.create_subresource(kind, name, namespace, subresource, body, answer)
        except CLIENT_ERRORS as error:
            if _unanswered(error):
                self._writes.lost(kind, name, namespace)
            raise
        # The answer does not tell the revision that the object has now; a look at it does.
        self._writes.lost(kind, name, namespace)
        return made


def _unanswered(error: StatusError | TransportError) -> bool:
    """Whether the write may have been done all the same."""
    return isinstance(error, TransportError) or error.code >= SERVER_ERROR


def _under_way(error: StatusError | TransportError) -> bool:
    """Whether the server may still be at it."""
    return isinstance(error, TransportError) or error.code == TIMEOUT
