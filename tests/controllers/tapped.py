"""A client with a tap in it: tests see every request that controllers make, may refuse it, lose its answer, let it
arrive late, or hold back what watches tell."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, ClassVar, NamedTuple, TypeVar

from msgspec import Struct

from pilothouse.api import scheme
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.object import Object
from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.api.types.meta.v1 import PartialObjectMetadata
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import Client, ListPage, MetadataClient, Patch, TransportError, WatchEvent

K = TypeVar("K", bound=Object)
A = TypeVar("A", bound=Struct)
R = TypeVar("R")


class Request(NamedTuple):
    """One write, as authorization sees it. `identity` is the controller's account."""

    identity: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str

    @property
    def kind(self) -> tuple[str, str, str]:
        """Identity, verb and resource with its subresource: what a role must allow."""
        whole = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return self.identity, self.verb, f"{whole}.{self.group}" if self.group else whole


Fault = Callable[[Request], BaseException | None]


@dataclass
class Tap:
    """What happened, and what shall.

    `refuse` answers the error of a request that is not carried out; `lose` that of one that is carried out, and whose
    answer does not arrive; `late` that of one that is carried out only after `lateness` seconds, when nobody waits for
    the answer any more. `lag` tells how many seconds a watch of a kind takes for its next event.
    """

    made: list[Request] = field(default_factory=list)
    refused: list[tuple[Request, StatusError]] = field(default_factory=list)
    refuse: list[Fault] = field(default_factory=list)
    lose: list[Fault] = field(default_factory=list)
    late: list[Fault] = field(default_factory=list)
    lateness: float = 0.0
    lag: Callable[[type[Any]], float] = field(default=lambda kind: 0.0)
    delayed: Callable[[float, Callable[[], Awaitable[None]]], None] = field(default=lambda seconds, work: None)
    places: ClassVar[set[tuple[str, int | str]]] = set()
    """File and line of each place in the controllers' source that wrote, in all worlds."""
    under_way: int = 0
    """Late requests that have not arrived yet."""

    def forbidden(self) -> list[str]:
        """The refusals of authorization; those of admission have other words."""
        return [
            f"{request.kind}: {error}"
            for request, error in self.refused
            if error.code == 403 and " cannot " in str(error)
        ]

    async def carry_out(self, request: Request, work: Awaitable[R]) -> R:
        for fault in self.refuse:
            if (error := fault(request)) is not None:
                if hasattr(work, "close"):
                    work.close()
                raise error
        for fault in self.late:
            if (error := fault(request)) is not None:
                self.under_way += 1
                self.delayed(self.lateness, lambda: self._late(request, work))
                raise error
        answer = await self._answered(request, work)
        for fault in self.lose:
            if (error := fault(request)) is not None:
                raise error
        return answer

    async def _late(self, request: Request, work: Awaitable[Any]) -> None:
        with contextlib.suppress(StatusError):
            await self._answered(request, work)
        self.under_way -= 1

    async def _answered(self, request: Request, work: Awaitable[R]) -> R:
        self.places.add(_place(request))
        try:
            answer = await work
        except StatusError as error:
            self.refused.append((request, error))
            raise
        self.made.append(request)
        return answer


def _place(request: Request) -> tuple[str, int | str]:
    """Where in the controllers' source the write comes from; of one that runs as a task of its own only its verb."""
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        if "/pilothouse/controllers/" in frame.f_code.co_filename:
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return "task", request.verb


def lost(request: Request) -> TransportError:
    """The fault of an answer that did not arrive."""
    return TransportError(f"{request.verb} {request.resource}: connection reset")


class LaggingClient:
    """The informers' client: lists are current, watches lag as the tap says. Never for longer than they are cut off."""

    def __init__(self, client: Client, tap: Tap, clock: Clock) -> None:
        self._client = client
        self._tap = tap
        self._clock = clock

    @property
    def metadata(self) -> MetadataClient:
        return self._client.metadata

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    @contextlib.asynccontextmanager
    async def watch(
        self, kind: type[K], namespace: str = "", **options: Any
    ) -> AsyncIterator[AsyncIterator[WatchEvent[K]]]:
        async def late(events: AsyncIterator[WatchEvent[K]]) -> AsyncIterator[WatchEvent[K]]:
            async for event in events:
                if lag := self._tap.lag(kind):
                    await self._clock.sleep(lag)
                yield event

        async with self._client.watch(kind, namespace, **options) as events:
            yield late(events)


class TappedClient:
    """A `Client` that tells `tap` of the writes of `identity`."""

    def __init__(self, client: Client, tap: Tap, identity: str) -> None:
        self._client = client
        self._tap = tap
        self._identity = identity
        self._metadata = _TappedMetadata(client.metadata, tap, identity)

    @property
    def metadata(self) -> MetadataClient:
        return self._metadata

    def _request(self, verb: str, kind: type[Any], namespace: str, name: str, subresource: str = "") -> Request:
        return request_of(self._identity, verb, scheme.resource_of(kind), namespace, name, subresource)

    async def get(self, kind: type[K], name: str, namespace: str = "") -> K:
        return await self._client.get(kind, name, namespace)

    async def list(self, kind: type[K], namespace: str = "", **options: Any) -> ListPage[K]:
        return await self._client.list(kind, namespace, **options)

    def watch(
        self, kind: type[K], namespace: str = "", **options: Any
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[K]]]:
        return self._client.watch(kind, namespace, **options)

    async def create(self, obj: K, *, dry_run: bool = False) -> K:
        meta = obj.metadata
        request = self._request("create", type(obj), meta.namespace, meta.name or meta.generate_name)
        return await self._tap.carry_out(request, self._client.create(obj, dry_run=dry_run))

    async def update(self, obj: K, *, subresource: str = "") -> K:
        request = self._request("update", type(obj), obj.metadata.namespace, obj.metadata.name, subresource)
        return await self._tap.carry_out(request, self._client.update(obj, subresource=subresource))

    async def patch(self, kind: type[K], name: str, namespace: str, patch: Patch, *, subresource: str = "") -> K:
        request = self._request("patch", kind, namespace, name, subresource)
        work = self._client.patch(kind, name, namespace, patch, subresource=subresource)
        return await self._tap.carry_out(request, work)

    async def delete(self, kind: type[K], name: str, namespace: str = "", **options: Any) -> None:
        request = self._request("delete", kind, namespace, name)
        await self._tap.carry_out(request, self._client.delete(kind, name, namespace, **options))

    async def delete_collection(self, kind: type[K], namespace: str = "", **options: Any) -> None:
        request = self._request("deletecollection", kind, namespace, "")
        await self._tap.carry_out(request, self._client.delete_collection(kind, namespace, **options))

    async def get_subresource(self, kind: type[K], name: str, namespace: str, subresource: str, answer: type[A]) -> A:
        return await self._client.get_subresource(kind, name, namespace, subresource, answer)

    async def create_subresource(
        self, kind: type[K], name: str, namespace: str, subresource: str, body: Struct, answer: type[A]
    ) -> A:
        request = self._request("create", kind, namespace, name, subresource)
        work = self._client.create_subresource(kind, name, namespace, subresource, body, answer)
        return await self._tap.carry_out(request, work)


class _TappedMetadata:
    """The `MetadataClient` beside a TappedClient."""

    def __init__(self, client: MetadataClient, tap: Tap, identity: str) -> None:
        self._client = client
        self._tap = tap
        self._identity = identity

    async def resources(self) -> Sequence[Resource]:
        return await self._client.resources()

    async def get(self, resource: Resource, name: str, namespace: str = "") -> PartialObjectMetadata:
        return await self._client.get(resource, name, namespace)

    async def list(self, resource: Resource, namespace: str = "", **options: Any) -> ListPage[PartialObjectMetadata]:
        return await self._client.list(resource, namespace, **options)

    def watch(
        self, resource: Resource, namespace: str = "", *, resource_version: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[PartialObjectMetadata]]]:
        return self._client.watch(resource, namespace, resource_version=resource_version)

    async def patch(
        self, resource: Resource, name: str, namespace: str, patch: Patch, *, subresource: str = ""
    ) -> PartialObjectMetadata:
        request = request_of(self._identity, "patch", resource, namespace, name, subresource)
        work = self._client.patch(resource, name, namespace, patch, subresource=subresource)
        return await self._tap.carry_out(request, work)

    async def delete(self, resource: Resource, name: str, namespace: str = "", **options: Any) -> None:
        request = request_of(self._identity, "delete", resource, namespace, name)
        await self._tap.carry_out(request, self._client.delete(resource, name, namespace, **options))

    async def delete_collection(self, resource: Resource, namespace: str = "") -> None:
        request = request_of(self._identity, "deletecollection", resource, namespace, "")
        await self._tap.carry_out(request, self._client.delete_collection(resource, namespace))

    async def scale(self, resource: Resource, name: str, namespace: str) -> Scale:
        return await self._client.scale(resource, name, namespace)


def request_of(
    identity: str, verb: str, resource: Resource, namespace: str, name: str, subresource: str = ""
) -> Request:
    return Request(identity, verb, resource.group, resource.resource, subresource, namespace, name)
