"""The client over HTTPS: `Client` by requests on a `Connection`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, cast

from msgspec import Struct

from pilothouse.api import scheme
from pilothouse.api.codec import json
from pilothouse.api.object import Object
from pilothouse.machinery.client import wire
from pilothouse.machinery.client.connection import Connection, decoded, list_query, watch_events
from pilothouse.machinery.client.https_metadata import HTTPSMetadataClient
from pilothouse.machinery.client.interface import ListPage, MetadataClient, Patch, WatchEvent

K = TypeVar("K", bound=Object)
A = TypeVar("A", bound=Struct)
WATCH_SECONDS = 600


class HTTPSClient:
    """`Client` over a `Connection`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._metadata = HTTPSMetadataClient(connection)

    @property
    def metadata(self) -> MetadataClient:
        return self._metadata

    async def close(self) -> None:
        await self.connection.close()

    async def __aenter__(self) -> HTTPSClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _path(self, kind: type[Any], namespace: str = "", name: str = "", subresource: str = "") -> str:
        return wire.path_of(scheme.resource_of(cast(Any, kind)), namespace, name, subresource)

    async def _send(self, kind: type[A], method: str, path: str, body: bytes | None = None, **more: Any) -> A:
        headers = {"Content-Type": more.pop("media", wire.JSON)} if body is not None else {}
        return decoded(await self.connection.request(method, path, body=body, headers=headers, **more), kind)

    async def get(self, kind: type[K], name: str, namespace: str = "") -> K:
        return cast(K, await self._send(cast(Any, kind), "GET", self._path(kind, namespace, name)))

    async def list(
        self,
        kind: type[K],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ListPage[K]:
        resource = scheme.resource_of(cast(Any, kind))
        listed = scheme.type_of(resource.group, resource.version, resource.kind + "List")
        query = list_query(label_selector, field_selector, limit, continue_token, resource_version)
        answer = await self._send(listed, "GET", self._path(kind, namespace), query=query)
        return ListPage(answer.items or (), answer.metadata.resource_version, answer.metadata.continue_)

    @contextlib.asynccontextmanager
    async def _watching(self, events: AsyncIterator[WatchEvent[K]]) -> AsyncIterator[AsyncIterator[WatchEvent[K]]]:
        async with contextlib.aclosing(cast(Any, events)):
            yield events

    def watch(
        self,
        kind: type[K],
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[K]]]:
        query = list_query(label_selector, field_selector, 0, "", resource_version)
        query |= {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_seconds or WATCH_SECONDS),
        }
        return self._watching(watch_events(self.connection, self._path(kind, namespace), query, kind))

    async def create(self, obj: K, *, dry_run: bool = False) -> K:
        kind = cast(Any, type(obj))
        query = {"dryRun": "All"} if dry_run else None
        path = self._path(kind, obj.metadata.namespace)
        return cast(K, await self._send(kind, "POST", path, json.encode(obj), query=query))

    async def update(self, obj: K, *, subresource: str = "") -> K:
        kind = cast(Any, type(obj))
        path = self._path(kind, obj.metadata.namespace, obj.metadata.name, subresource)
        return cast(K, await self._send(kind, "PUT", path, json.encode(obj)))

    async def patch(self, kind: type[K], name: str, namespace: str, patch: Patch, *, subresource: str = "") -> K:
        body, media, query = wire.patch_body(patch)
        path = self._path(kind, namespace, name, subresource)
        return cast(K, await self._send(cast(Any, kind), "PATCH", path, body, media=media, query=query))

    async def delete(
        self,
        kind: type[K],
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        body = wire.delete_body(grace_period_seconds, propagation_policy, uid, resource_version)
        path = self._path(kind, namespace, name)
        await self.connection.request("DELETE", path, body=body, headers={"Content-Type": wire.JSON})

    async def delete_collection(
        self, kind: type[K], namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> None:
        query = list_query(label_selector, field_selector, 0, "", "")
        await self.connection.request("DELETE", self._path(kind, namespace), query=query)

    async def get_subresource(self, kind: type[K], name: str, namespace: str, subresource: str, answer: type[A]) -> A:
        return await self._send(answer, "GET", self._path(kind, namespace, name, subresource))

    async def create_subresource(
        self, kind: type[K], name: str, namespace: str, subresource: str, body: Struct, answer: type[A]
    ) -> A:
        path = self._path(kind, namespace, name, subresource)
        return await self._send(answer, "POST", path, json.encode(body))
