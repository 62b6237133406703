"""The metadata client over HTTPS: asks for PartialObjectMetadata, so that any resource decodes as one small type."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, cast

from msgspec import Struct

from pilothouse.api.facts import Resource, Subresource
from pilothouse.api.types.apidiscovery.v2 import APIGroupDiscoveryList, APIResourceDiscovery, APISubresourceDiscovery
from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.api.types.meta.v1 import PartialObjectMetadata, PartialObjectMetadataList
from pilothouse.machinery.client import wire
from pilothouse.machinery.client.connection import Connection, decoded, watch_events
from pilothouse.machinery.client.interface import ListPage, Patch, TransportError, WatchEvent

T = TypeVar("T", bound=Struct)
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
WATCH_SECONDS = 600


def resources_of(groups: APIGroupDiscoveryList) -> list[Resource]:
    """Every resource of aggregated discovery, in each version of its group."""
    return [
        _resource(group.metadata.name, version.version, told)
        for group in groups.items or ()
        for version in group.versions
        for told in version.resources
    ]


def _resource(group: str, version: str, told: APIResourceDiscovery) -> Resource:
    response = told.response_kind
    return Resource(
        group,
        version,
        told.resource,
        response.kind if response else "",
        told.singular_resource,
        told.scope == "Namespaced",
        tuple(told.verbs or ()),
        subresources=tuple(map(_subresource, told.subresources)),
    )


def _subresource(told: APISubresourceDiscovery) -> Subresource:
    kind = told.response_kind
    names = (kind.kind, kind.group, kind.version) if kind is not None else ("", "", "")
    return Subresource(told.subresource, *names, tuple(told.verbs or ()))


class HTTPSMetadataClient:
    """`MetadataClient` over a `Connection`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _send(self, kind: type[T], method: str, path: str, **more: Any) -> T:
        return decoded(await self._connection.request(method, path, **more), kind)

    async def resources(self) -> Sequence[Resource]:
        found: list[Resource] = []
        for root in ("/api", "/apis"):
            groups = await self._send(APIGroupDiscoveryList, "GET", root, headers={"Accept": AGGREGATED})
            if groups.kind != "APIGroupDiscoveryList":
                raise TransportError(f"{root} answers no aggregated discovery")
            found += resources_of(groups)
        return found

    async def get(self, resource: Resource, name: str, namespace: str = "") -> PartialObjectMetadata:
        path = wire.path_of(resource, namespace, name)
        return await self._send(PartialObjectMetadata, "GET", path, headers={"Accept": wire.METADATA})

    async def list(
        self, resource: Resource, namespace: str = "", *, limit: int = 0, continue_token: str = ""
    ) -> ListPage[PartialObjectMetadata]:
        query = {"limit": str(limit)} if limit else {}
        if continue_token:
            query["continue"] = continue_token
        answer = await self._send(
            PartialObjectMetadataList,
            "GET",
            wire.path_of(resource, namespace),
            query=query,
            headers={"Accept": wire.METADATA_LIST},
        )
        return ListPage(answer.items or (), answer.metadata.resource_version, answer.metadata.continue_)

    @contextlib.asynccontextmanager
    async def _watching(
        self, path: str, query: dict[str, str]
    ) -> AsyncIterator[AsyncIterator[WatchEvent[PartialObjectMetadata]]]:
        events = watch_events(self._connection, path, query, PartialObjectMetadata, wire.METADATA)
        async with contextlib.aclosing(cast(Any, events)):
            yield events

    def watch(
        self, resource: Resource, namespace: str = "", *, resource_version: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[PartialObjectMetadata]]]:
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        if resource_version:
            query["resourceVersion"] = resource_version
        return self._watching(wire.path_of(resource, namespace), query)

    async def patch(
        self, resource: Resource, name: str, namespace: str, patch: Patch, *, subresource: str = ""
    ) -> PartialObjectMetadata:
        body, media, query = wire.patch_body(patch)
        path = wire.path_of(resource, namespace, name, subresource)
        headers = {"Accept": wire.METADATA, "Content-Type": media}
        return await self._send(PartialObjectMetadata, "PATCH", path, body=body, headers=headers, query=query)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation_policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        body = wire.delete_body(None, propagation_policy, uid, resource_version)
        path = wire.path_of(resource, namespace, name)
        await self._connection.request("DELETE", path, body=body, headers={"Content-Type": wire.JSON})

    async def delete_collection(self, resource: Resource, namespace: str = "") -> None:
        await self._connection.request("DELETE", wire.path_of(resource, namespace))

    async def scale(self, resource: Resource, name: str, namespace: str) -> Scale:
        path = wire.path_of(resource, namespace, name, "scale")
        return await self._send(Scale, "GET", path, headers={"Accept": wire.JSON})
