"""The garbage collector's shell: watches the metadata of every resource, and carries out what `decide` says.

Resources come and go (custom ones): what discovery tells is compared every half minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.api import errors
from pilothouse.api.codec import json
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.types.core.v1 import ObjectReference
from pilothouse.api.types.meta.v1 import OwnerReference, PartialObjectMetadata
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.garbage import decide as decisions
from pilothouse.controllers.garbage.decide import (
    Coordinates,
    Delete,
    DropFinalizer,
    LookAt,
    Owner,
    SetOwners,
    coordinates,
    decide,
)
from pilothouse.controllers.garbage.graph import ORPHAN, Graph, Node, Observed
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client, MergePatch, WatchEvent
from pilothouse.machinery.controller import Controller
from pilothouse.machinery.discovery import by_kind, preferred
from pilothouse.machinery.events import WARNING
from pilothouse.machinery.reflector import MetadataSource, Reflector

IDENTITY = "generic-garbage-collector"
IGNORED = {("", "events"), ("events.k8s.io", "events")}
NEEDED = {"list", "watch", "delete"}
REDISCOVER_SECONDS = 30.0
UNSEEN_OWNER_SECONDS = 30.0
NOT_FOUND = 404


def collected(resources: Sequence[Resource]) -> dict[tuple[str, str], Resource]:
    """The resources whose objects are in the graph."""
    return {
        name: resource
        for name, resource in preferred(resources).items()
        if set(resource.verbs) >= NEEDED and name not in IGNORED and "/" not in resource.resource
    }


class NamespacedOwner(Exception):
    """A cluster-scoped object names an owner of a kind that lives in namespaces: it is never collected."""


class _Mirror:
    """Feeds the graph with one resource."""

    def __init__(self, collector: _Collector, resource: Resource, uids: set[str]) -> None:
        self.collector = collector
        self.resource = resource
        self.uids = uids
        self.synced = asyncio.Event()

    def replace(self, items: Sequence[PartialObjectMetadata], resource_version: str) -> None:
        now = {item.metadata.uid for item in items}
        for uid in self.uids - now:
            self._gone(uid)
        for item in items:
            self._there(item)
        self.synced.set()

    def apply(self, event: WatchEvent[PartialObjectMetadata]) -> None:
        if event.type == "DELETED":
            self._gone(event.object.metadata.uid)
        elif event.type != "BOOKMARK":
            self._there(event.object)

    def forget(self) -> None:
        for uid in tuple(self.uids):
            self._gone(uid)

    def _there(self, item: PartialObjectMetadata) -> None:
        self.uids.add(item.metadata.uid)
        self.collector.observed(self.collector.graph.observe(self.resource, item.metadata))

    def _gone(self, uid: str) -> None:
        self.uids.discard(uid)
        self.collector.touch(self.collector.graph.remove(uid))


class _Collector:
    """The graph, the mirrors that feed it, and the work on it. `run` is the controller."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.graph = Graph()
        self.client = env.client_for(IDENTITY)
        self.recorder = env.recorder("garbage-collector-controller", IDENTITY)
        self.controller: Controller[str] = env.controller(
            "garbage-collector-controller", IDENTITY, self.reconcile, workers=20
        )
        self.mirrors: dict[tuple[str, str], tuple[_Mirror, asyncio.Task[Any]]] = {}
        self.kinds: Mapping[tuple[str, str], Resource] = {}

    def touch(self, uids: set[str]) -> None:
        for uid in uids:
            self.controller.queue.add(uid)

    def observed(self, found: Observed) -> None:
        self.touch(found.touched)
        for node, reference in found.misplaced:
            self._tell_misplaced(node, reference)

    async def run(self) -> None:
        """Work until cancelled."""
        async with TaskScope(IDENTITY) as scope:
            while await self.controller.part("discovery", self._rediscover(scope)) is not None:
                await self.env.clock.sleep(1.0)
            for mirror, _ in list(self.mirrors.values()):
                await mirror.synced.wait()
            scope.spawn(self.controller.run(), "controller")
            while True:
                await self.env.clock.sleep(REDISCOVER_SECONDS)
                # What fails now is tried again at the next round.
                await self.controller.part("discovery", self._rediscover(scope))

    async def _rediscover(self, scope: TaskScope) -> None:
        resources = await self.client.metadata.resources()
        wanted = collected(resources)
        self.kinds = by_kind(resources)
        for key in self.mirrors.keys() - wanted.keys():
            mirror, task = self.mirrors.pop(key)
            task.cancel()
            mirror.forget()
        for key, resource in wanted.items():
            held = self.mirrors.get(key)
            if held is not None and held[0].resource.version != resource.version:
                # A definition dropped the version that was watched.
                held[1].cancel()
            if held is None or held[0].resource.version != resource.version:
                mirror = _Mirror(self, resource, held[0].uids if held is not None else set())
                source = MetadataSource(self.client.metadata, resource)
                reflector = Reflector(source, PartialObjectMetadata, mirror, self.env.clock, self.env.chance)
                self.mirrors[key] = mirror, scope.spawn(reflector.run(), f"mirror/{resource.resource}")

    async def reconcile(self, uid: str, client: Client) -> None:
        node = self.graph.nodes.get(uid)
        if node is None:
            return
        if node.orphaning:
            await self._orphan(node)
            return
        found: dict[Coordinates, Owner] = {}
        if not node.deleting:
            try:
                found = await self._ask_all(node)
            except NamespacedOwner:
                return
            if any(coordinates(r) not in found for r in decisions.unknown_owners(self.graph, node)):
                self.controller.queue.add(uid)
                return
            if any(owner is not Owner.GONE for owner in found.values()):
                # It may go again before any watch shows it.
                self.controller.queue.add_after(uid, UNSEEN_OWNER_SECONDS)
        action = decide(self.graph, node, found)
        if isinstance(action, LookAt):
            self.touch(set(action.uids))
        elif isinstance(action, Delete):
            await self._delete(node, action.policy)
        elif isinstance(action, SetOwners):
            await self._set_owners(node, action.owners)
            if action.again:
                await self._delete(node, "Foreground", versioned=False)
        elif isinstance(action, DropFinalizer):
            await self._drop(node, action.name)

    async def _ask_all(self, node: Node) -> dict[Coordinates, Owner]:
        """Ask the server about the owners that the graph does not know. Raises NamespacedOwner; a kind that nobody
        serves raises StatusError: perhaps it will be served again."""
        found: dict[Coordinates, Owner] = {}
        for reference in node.owners:
            resource = self.kinds.get((reference.api_version, reference.kind))
            if resource is None:
                raise errors.internal(f'no matches for kind "{reference.kind}" in version "{reference.api_version}"')
            if resource.namespaced and not node.namespace:
                raise NamespacedOwner
            if self.graph.owner(node, reference) is None:
                found[coordinates(reference)] = await self._ask(node, reference, resource)
        return found

    async def _ask(self, node: Node, reference: OwnerReference, resource: Resource) -> Owner:
        namespace = node.namespace if resource.namespaced else ""
        try:
            held = await self.client.metadata.get(resource, reference.name, namespace)
        except StatusError as error:
            if error.code == NOT_FOUND:
                return Owner.GONE
            raise
        if held.metadata.uid != reference.uid:
            return Owner.GONE
        ending = held.metadata.deletion_timestamp is not None and "foregroundDeletion" in held.metadata.finalizers
        return Owner.WAITING if ending else Owner.SOLID

    def _tell_misplaced(self, node: Node, reference: OwnerReference) -> None:
        told = (
            f"[{reference.api_version}/{reference.kind}, namespace: {node.namespace}, name: {reference.name}, "
            f"uid: {reference.uid}]"
        )
        about = ObjectReference(
            kind=node.resource.kind,
            api_version=node.resource.api_version,
            namespace=node.namespace,
            name=node.name,
            uid=node.uid,
        )
        message = f'ownerRef {told} does not exist in namespace "{node.namespace}"'
        self.recorder.event(about, WARNING, "OwnerRefInvalidNamespace", message)

    async def _delete(self, node: Node, policy: str, *, versioned: bool = True) -> None:
        try:
            await self.client.metadata.delete(
                node.resource,
                node.name,
                node.namespace,
                propagation_policy=policy,
                uid=node.uid,
                resource_version=node.version if versioned else None,
            )
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise

    async def _set_owners(self, node: Node, owners: tuple[OwnerReference, ...]) -> None:
        await self._patch(node, {"ownerReferences": [json.to_builtins(r) for r in owners] or None})

    async def _drop(self, node: Node, finalizer: str) -> None:
        kept = [f for f in node.finalizers if f != finalizer]
        await self._patch(node, {"finalizers": kept or None})

    async def _patch(self, node: Node, metadata: dict[str, Any]) -> None:
        body = {"metadata": {"uid": node.uid, "resourceVersion": node.version, **metadata}}
        try:
            await self.client.metadata.patch(node.resource, node.name, node.namespace, MergePatch(body))
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise

    async def _orphan(self, node: Node) -> None:
        for dependent in self.graph.dependents(node.uid):
            await self._set_owners(dependent, decisions.without(dependent, node.uid))
        await self._drop(node, ORPHAN)


def build(env: Environment) -> _Collector:
    """Keys are uids."""
    return _Collector(env)
