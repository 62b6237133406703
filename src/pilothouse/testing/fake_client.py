"""A `Client` in memory, for tests of everything that talks to an API server. State and rules: `fake_cluster`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct

from pilothouse.api import errors
from pilothouse.api.codec import json
from pilothouse.api.facts import Resource
from pilothouse.api.object import Object
from pilothouse.api.types.autoscaling.v1 import Scale, ScaleSpec, ScaleStatus
from pilothouse.api.types.core.v1 import Binding
from pilothouse.api.types.meta.v1 import DeleteOptions, PartialObjectMetadata, Preconditions
from pilothouse.api.types.policy.v1 import Eviction
from pilothouse.api.types.resources import SERVED
from pilothouse.machinery.client.interface import ListPage, MetadataClient, Patch, WatchEvent
from pilothouse.testing import patches
from pilothouse.testing.fake_cluster import Change, FakeCluster, matcher, resource_named

K = TypeVar("K", bound=Object)
A = TypeVar("A", bound=Struct)
replace = msgspec.structs.replace


def _options(
    grace: int | None = None, policy: str | None = None, uid: str | None = None, version: str | None = None
) -> DeleteOptions:
    conditions = Preconditions(uid=uid, resource_version=version) if uid is not None or version is not None else None
    return DeleteOptions(grace_period_seconds=grace, propagation_policy=policy, preconditions=conditions)


class FakeClient:
    """`Client` on a FakeCluster; several may share one."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self._metadata = FakeMetadataClient(cluster)

    @property
    def metadata(self) -> MetadataClient:
        return self._metadata

    async def get(self, kind: type[K], name: str, namespace: str = "") -> K:
        resource = resource_named(kind)
        self.cluster.react("get", resource, namespace, name)
        return cast(K, self.cluster.find(resource, namespace, name))

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
        resource = resource_named(kind)
        self.cluster.react("list", resource, namespace, "")
        found = list(self.cluster.select(resource, namespace, label_selector, field_selector))
        return page(self.cluster, found, limit, continue_token)

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
        events = follow(self.cluster, resource_named(kind), namespace, resource_version, label_selector, field_selector)
        return _closing(events)

    async def create(self, obj: K, *, dry_run: bool = False) -> K:
        return cast(K, self.cluster.create(resource_named(type(obj)), obj, dry_run=dry_run))

    async def update(self, obj: K, *, subresource: str = "") -> K:
        return cast(K, self.cluster.update(resource_named(type(obj)), obj, subresource))

    async def patch(self, kind: type[K], name: str, namespace: str, patch: Patch, *, subresource: str = "") -> K:
        return cast(K, patched(self.cluster, resource_named(kind), (namespace, name), patch, subresource))

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
        options = _options(grace_period_seconds, propagation_policy, uid, resource_version)
        self.cluster.delete(resource_named(kind), namespace, name, options)

    async def delete_collection(
        self, kind: type[K], namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> None:
        resource = resource_named(kind)
        self.cluster.react("deletecollection", resource, namespace, "")
        for obj in list(self.cluster.select(resource, namespace, label_selector, field_selector)):
            self.cluster.delete(resource, obj.metadata.namespace, obj.metadata.name, _options())

    async def get_subresource(self, kind: type[K], name: str, namespace: str, subresource: str, answer: type[A]) -> A:
        resource = resource_named(kind)
        if subresource != "scale" or answer is not Scale:
            raise errors.not_found(resource.group, f"{resource.resource}/{subresource}", name)
        return cast(A, await self._metadata.scale(resource, name, namespace))

    async def create_subresource(
        self, kind: type[K], name: str, namespace: str, subresource: str, body: Struct, answer: type[A]
    ) -> A:
        resource = resource_named(kind)
        self.cluster.react(f"create {subresource}", resource, namespace, name)
        obj: Any = self.cluster.find(resource, namespace, name)
        if isinstance(body, Binding):
            bound = replace(obj, spec=replace(obj.spec, node_name=body.target.name))
            self.cluster.update(resource, bound)
        elif isinstance(body, Eviction):
            self.cluster.delete(resource, namespace, name, body.delete_options or _options())
        else:
            raise errors.not_found(resource.group, f"{resource.resource}/{subresource}", name)
        return answer(status="Success") if "status" in answer.__struct_fields__ else answer()


class FakeMetadataClient:
    """`MetadataClient` on a FakeCluster, for built-in resources."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster

    async def resources(self) -> Sequence[Resource]:
        return SERVED

    async def get(self, resource: Resource, name: str, namespace: str = "") -> PartialObjectMetadata:
        return partial(self.cluster.find(resource, namespace, name))

    async def list(
        self, resource: Resource, namespace: str = "", *, limit: int = 0, continue_token: str = ""
    ) -> ListPage[PartialObjectMetadata]:
        self.cluster.react("list", resource, namespace, "")
        found = [partial(obj) for obj in self.cluster.select(resource, namespace, "", "")]
        return page(self.cluster, found, limit, continue_token)

    def watch(
        self, resource: Resource, namespace: str = "", *, resource_version: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[PartialObjectMetadata]]]:
        async def events() -> AsyncIterator[WatchEvent[PartialObjectMetadata]]:
            async for event in follow(self.cluster, resource, namespace, resource_version, "", ""):
                yield WatchEvent(event.type, partial(event.object))

        return _closing(events())

    async def patch(
        self, resource: Resource, name: str, namespace: str, patch: Patch, *, subresource: str = ""
    ) -> PartialObjectMetadata:
        return partial(patched(self.cluster, resource, (namespace, name), patch, subresource))

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
        self.cluster.delete(resource, namespace, name, _options(None, propagation_policy, uid, resource_version))

    async def delete_collection(self, resource: Resource, namespace: str = "") -> None:
        self.cluster.react("deletecollection", resource, namespace, "")
        for obj in list(self.cluster.select(resource, namespace, "", "")):
            self.cluster.delete(resource, obj.metadata.namespace, obj.metadata.name, _options())

    async def scale(self, resource: Resource, name: str, namespace: str) -> Scale:
        if not any(s.name == "scale" for s in resource.subresources):
            raise errors.not_found(resource.group, f"{resource.resource}/scale", name)
        obj = self.cluster.find(resource, namespace, name)
        spec, status = ScaleSpec(replicas=obj.spec.replicas or 0), ScaleStatus(replicas=obj.status.replicas)
        return Scale(metadata=obj.metadata, spec=spec, status=status)


def partial(obj: Any) -> PartialObjectMetadata:
    return PartialObjectMetadata(metadata=obj.metadata)


def page(cluster: FakeCluster, found: Sequence[Any], limit: int, token: str) -> ListPage[Any]:
    """One page; the token tells the revision that the pages are of, and where to go on."""
    start, version = 0, cluster.version
    if token:
        version, start = map(int, token.split("/"))
        if version < cluster.oldest:
            raise errors.expired("The provided continue parameter is too old to display a consistent list result.")
    end = start + limit if limit else len(found)
    rest = f"{version}/{end}" if end < len(found) else ""
    return ListPage(tuple(found[start:end]), str(version), rest)


def patched(cluster: FakeCluster, resource: Resource, key: tuple[str, str], patch: Patch, subresource: str) -> Any:
    cluster.react("patch", resource, *key)
    old = cluster.find(resource, *key)
    tree = patches.apply(type(old), msgspec.json.decode(json.encode(old)), patch)
    return cluster.update(resource, json.from_builtins(tree, type(old)), subresource)


@contextlib.asynccontextmanager
async def _closing(events: AsyncIterator[WatchEvent[Any]]) -> AsyncIterator[AsyncIterator[WatchEvent[Any]]]:
    async with contextlib.aclosing(cast(Any, events)):
        yield events


async def follow(
    cluster: FakeCluster, resource: Resource, namespace: str, version: str, labels: str, fields: str
) -> AsyncIterator[WatchEvent[Any]]:
    """The changes of a watch, those of the past first."""
    cluster.react("watch", resource, namespace, "")
    generation, chosen = cluster.generation_of_watches, matcher(labels, fields)
    since = int(version or 0)
    if not since:
        since = cluster.version
        for obj in list(cluster.select(resource, namespace, labels, fields)):
            yield WatchEvent("ADDED", obj)
    at = cluster.dropped
    while cluster.generation_of_watches == generation:
        if since < cluster.oldest:
            raise errors.expired(f"too old resource version: {since} ({cluster.oldest})")
        while at < cluster.dropped + len(cluster.history):
            change = cluster.history[at - cluster.dropped]
            at += 1
            if change.version <= since or change.resource[:3] != resource[:3]:
                continue
            since = change.version
            if not namespace or change.new.metadata.namespace == namespace:
                event = _event(change, chosen)
                if event is not None:
                    yield event
        since = cluster.version
        await cluster.moved()


def _event(change: Change, chosen: Any) -> WatchEvent[Any] | None:
    before = change.old is not None and chosen(change.old)
    after = not change.deleted and chosen(change.new)
    if after:
        return WatchEvent("MODIFIED" if before else "ADDED", change.new)
    if not before:
        return None
    last = change.new if change.deleted else change.old
    meta = replace(last.metadata, resource_version=str(change.version))
    return WatchEvent("DELETED", replace(last, metadata=meta))
