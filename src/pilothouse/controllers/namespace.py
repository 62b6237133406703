"""A namespace that is being deleted is emptied, pods first, and then let go.

Each round lists what is left of every kind and deletes it; the conditions say what still stands in the way, in
upstream's words. The finalizer `kubernetes` in the spec is taken away when nothing is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.errors import StatusError, qualified
from pilothouse.api.facts import Resource
from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.core.v1 import Namespace, NamespaceCondition, Pod
from pilothouse.api.types.meta.v1 import PartialObjectMetadata
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, ReconcileError
from pilothouse.machinery.discovery import preferred
from pilothouse.semantics import conditions
from pilothouse.semantics.pods import is_terminal

IDENTITY = "namespace-controller"
FINALIZER = "kubernetes"
METHOD_NOT_SUPPORTED, NOT_FOUND = 405, 404
FINALIZER_SECONDS = 15.0
"""What is given to whoever removes a finalizer."""


class DeletionError(ReconcileError):
    """Content of a namespace could not be deleted, or stays without a reason; the text says what."""


@dataclass(slots=True)
class Remains:
    """What a round found: counts by resource, finalizers in use, failures."""

    counts: dict[str, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    discovery_errors: list[str] = field(default_factory=list)
    wait: float = 0.0
    """Seconds that what is left may take to go."""

    @property
    def failed(self) -> bool:
        return bool(self.errors or self.discovery_errors)

    @property
    def empty(self) -> bool:
        return not self.counts and not self.errors and not self.discovery_errors

    def add(self, resource: Resource, items: Sequence[PartialObjectMetadata], grace: float, namespace: str) -> None:
        """Note what is left of a resource after its deletion; `grace`: how long it may take by itself."""
        told = f"{resource.resource}.{resource.group}"
        self.counts[told] = len(items)
        for item in items:
            for finalizer in item.metadata.finalizers:
                self.finalizers[finalizer] = self.finalizers.get(finalizer, 0) + 1
        if grace:
            self.wait = max(self.wait, grace)
        elif any(item.metadata.finalizers for item in items):
            self.wait = max(self.wait, FINALIZER_SECONDS)
        else:
            where = f"{resource.group}/{resource.version}, Resource={resource.resource}"
            self.errors.append(f"unexpected items still remain in namespace: {namespace} for gvr: {where}")


def content(resources: Sequence[Resource]) -> tuple[list[Resource], list[Resource]]:
    """What a namespace can hold and one can delete: pods, and the rest in the order of discovery."""
    found = [
        r
        for r in preferred(resources).values()
        if r.namespaced and "delete" in r.verbs and "list" in r.verbs and "/" not in r.resource
    ]
    pods = [r for r in found if r.resource == "pods" and not r.group]
    return pods, [r for r in found if r not in pods]


def decide_conditions(remains: Remains, now: float) -> tuple[NamespaceCondition, ...]:
    """The five conditions after a round."""
    discovery = "; ".join(remains.discovery_errors)
    failures = "; ".join(remains.errors)
    counts = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(remains.counts.items()))
    finalizers = ", ".join(
        f"{name} in {count} resource instances" for name, count in sorted(remains.finalizers.items())
    )
    rows = (
        (
            "NamespaceDeletionDiscoveryFailure",
            bool(discovery),
            "DiscoveryFailed",
            f"Discovery failed for some groups, {len(remains.discovery_errors)} failing: {discovery}",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "GroupVersionParsingFailed",
            "",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            bool(failures),
            "ContentDeletionFailed",
            f"Failed to delete all resource types, {len(remains.errors)} remaining: {failures}",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            bool(remains.counts),
            "SomeResourcesRemain",
            f"Some resources are remaining: {counts}",
            "ContentRemoved",
            "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            bool(remains.finalizers),
            "SomeFinalizersRemain",
            f"Some content in the namespace has finalizers remaining: {finalizers}",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    )
    stamp = format_time(now)
    return tuple(
        NamespaceCondition(
            type=kind,
            status="True" if bad else "False",
            reason=bad_reason if bad else good_reason,
            message=bad_message if bad else good_message,
            last_transition_time=stamp,
        )
        for kind, bad, bad_reason, bad_message, good_reason, good_message in rows
    )


def decide_status(namespace: Namespace, remains: Remains | None, now: float) -> Namespace:
    """The namespace with phase Terminating and, after a round, its conditions."""
    status = msgspec.structs.replace(namespace.status, phase="Terminating")
    if remains is not None:
        held = status.conditions
        for condition in decide_conditions(remains, now):
            held = conditions.put(held, condition)
        status = msgspec.structs.replace(status, conditions=held)
    return msgspec.structs.replace(namespace, status=status)


def pods_grace(pods: Sequence[Pod], since: float) -> float:
    """The longest time that a running pod may take to end; nought if the namespace has been going (`since`: seconds)
    for longer than that."""
    running = (p for p in pods if not is_terminal(p))
    longest = max((p.spec.termination_grace_period_seconds or 0 for p in running), default=0)
    return float(longest) if longest > since else 0.0


class _Emptier:
    """One round over the content of one namespace."""

    def __init__(self, client: Client, namespace: str, pods_grace: float) -> None:
        self._client = client
        self._namespace = namespace
        self._pods_grace = pods_grace
        self.remains = Remains()

    async def run(self) -> Remains:
        resources = await self._client.metadata.resources()
        pods, rest = content(resources)
        for resource in pods:
            await self._empty(resource)
        if self.remains.empty:
            for resource in rest:
                await self._empty(resource)
        return self.remains

    async def _empty(self, resource: Resource) -> None:
        try:
            await self._delete(resource)
            items = await self._list(resource)
            if items:
                grace = self._pods_grace if (resource.group, resource.resource) == ("", "pods") else 0.0
                self.remains.add(resource, items, grace, self._namespace)
        except StatusError as error:
            if error.code not in (NOT_FOUND, METHOD_NOT_SUPPORTED):
                self.remains.errors.append(f"{qualified(resource.group, resource.resource)}: {error}")

    async def _list(self, resource: Resource) -> list[PartialObjectMetadata]:
        items: list[PartialObjectMetadata] = []
        token = ""
        while True:
            page = await self._client.metadata.list(resource, self._namespace, limit=500, continue_token=token)
            items += page.items
            token = page.continue_token
            if not token:
                return items

    async def _delete(self, resource: Resource) -> None:
        """Also where a list shows nothing: the server refuses to leave behind what it cannot read."""
        if "deletecollection" in resource.verbs:
            await self._client.metadata.delete_collection(resource, self._namespace)
            return
        for item in await self._list(resource):
            try:
                await self._client.metadata.delete(
                    resource, item.metadata.name, self._namespace, propagation_policy="Background"
                )
            except StatusError as error:
                if error.code != NOT_FOUND:
                    raise


def _pod_gone(old: Pod | None, new: Pod | None) -> tuple[str, ...]:
    return (old.metadata.namespace,) if new is None and old is not None else ()


def _namespace_changed(old: Namespace | None, new: Namespace | None) -> tuple[str, ...]:
    return (new.metadata.name,) if new is not None and new.metadata.deletion_timestamp is not None else ()


def build(env: Environment) -> Controller[str]:
    """Keys are names of namespaces."""

    async def reconcile(name: str, client: Client) -> None:
        namespace = namespaces.get(name)
        if namespace is None or not namespace.spec.finalizers:
            return
        deleted = namespace.metadata.deletion_timestamp
        if deleted is None:
            return
        if namespace.status.phase != "Terminating":
            namespace = await client.update(decide_status(namespace, None, env.clock.now()), subresource="status")
        if FINALIZER not in namespace.spec.finalizers:
            return
        grace = pods_grace(pods.list(name), env.clock.now() - parse_time(deleted))
        remains = await _Emptier(client, name, grace).run()
        told = decide_status(namespace, remains, env.clock.now())
        if told.status != namespace.status:
            namespace = await client.update(told, subresource="status")
        if remains.empty:
            kept = tuple(f for f in namespace.spec.finalizers if f != FINALIZER)
            spec = msgspec.structs.replace(namespace.spec, finalizers=kept)
            await client.update(msgspec.structs.replace(namespace, spec=spec), subresource="finalize")
            return
        if remains.failed:
            raise DeletionError("; ".join((*remains.discovery_errors, *remains.errors)))
        # Pods that end tell us so besides.
        controller.queue.add_after(name, remains.wait // 2 + 1)

    controller = env.controller(IDENTITY, IDENTITY, reconcile, workers=10, longest_backoff=60.0)
    namespaces = controller.on(Namespace, _namespace_changed)

    def pod_changed(old: Pod | None, new: Pod | None) -> tuple[str, ...]:
        return tuple(
            name
            for name in _pod_gone(old, new)
            if (held := namespaces.get(name)) is not None and held.metadata.deletion_timestamp is not None
        )

    pods = controller.on(Pod, pod_changed)
    return controller
