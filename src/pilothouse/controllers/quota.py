"""The status of ResourceQuotas: what their namespaces use. Kinds are watched only once a quota speaks of them."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast

import msgspec

from pilothouse.api import scheme
from pilothouse.api.facts import Resource
from pilothouse.api.time import parse_time
from pilothouse.api.types.core.v1 import (
    ConfigMap,
    PersistentVolumeClaim,
    Pod,
    ReplicationController,
    ResourceQuota,
    ResourceQuotaStatus,
    Secret,
    Service,
)
from pilothouse.api.types.resources import SERVED
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of
from pilothouse.semantics import quota as counting

IDENTITY = "resourcequota-controller"
SETTLE = 0.05
"""Seconds by which changes are gathered before a namespace is counted again."""
_BY_NAME: dict[str, type[Any]] = {
    "configmaps": ConfigMap,
    "secrets": Secret,
    "replicationcontrollers": ReplicationController,
    "resourcequotas": ResourceQuota,
    "services": Service,
    "services.nodeports": Service,
    "services.loadbalancers": Service,
    "persistentvolumeclaims": PersistentVolumeClaim,
    "requests.storage": PersistentVolumeClaim,
}
replace = msgspec.structs.replace


def kind_of(name: str) -> type[Any] | None:
    """The kind whose objects use up a quota's resource; None if we know of none."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        found = next((r for r in SERVED if (r.group, r.resource) == (group, plural)), None)
        return scheme.type_of(found.group, found.version, found.kind) if found is not None else None
    if ".storageclass.storage.k8s.io/" in name:
        return PersistentVolumeClaim
    known = _BY_NAME.get(name)
    if known is not None:
        return known
    native = ("pods", "cpu", "memory", "ephemeral-storage")
    if name in native or name.startswith(("requests.", "limits.", "hugepages-")):
        return Pod
    return None


def decide(quota: ResourceQuota, objects: Iterable[tuple[Resource, Any]], now: float) -> ResourceQuotaStatus:
    """The status of a quota whose namespace holds these objects."""
    totals: counting.Usage = {name: Decimal(0) for name in quota.spec.hard if kind_of(name) is not None}
    for resource, obj in objects:
        if counting.concerns(quota, obj):
            counting.added(totals, counting.usage(resource, obj, now))
    return ResourceQuotaStatus(hard=quota.spec.hard, used=counting.masked(totals, quota.spec.hard))


class _Shell:
    """Caches and writes; keys are quotas."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.controller: Controller[Key] = env.controller("resourcequota-controller", IDENTITY, self.reconcile)
        self.watched: set[type[Any]] = set()
        self.quotas = self.controller.on(ResourceQuota, self._quota_changed)

    def _quota_changed(self, old: ResourceQuota | None, new: ResourceQuota | None) -> Iterable[Key]:
        if new is None:
            return ()
        fresh = old is None or old.spec != new.spec or new.status.hard != new.spec.hard
        return (key_of(new),) if fresh else ()

    def _watch(self, kind: type[Any]) -> None:
        """Count again the quotas of a namespace where an object of `kind` comes, goes or changes its share."""
        if kind in self.watched:
            return
        self.watched.add(kind)
        resource = scheme.resource_of(cast(Any, kind))

        def changed(old: Any, new: Any) -> None:
            now = self.env.clock.now()
            if (
                old is not None
                and new is not None
                and counting.usage(resource, old, now) == counting.usage(resource, new, now)
                and old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
            ):
                return
            for quota in self.quotas.list((new if new is not None else old).metadata.namespace):
                if any(kind_of(name) is kind for name in quota.spec.hard):
                    self.controller.queue.add_after(key_of(quota), SETTLE)

        self.env.informers.of(kind).add_handler(changed)

    async def reconcile(self, key: Key, client: Client) -> None:
        quota = self.quotas.get(key[1], key[0])
        if quota is None or quota.metadata.deletion_timestamp is not None:
            return
        kinds = {kind for name in quota.spec.hard if (kind := kind_of(name)) is not None}
        objects: list[tuple[Resource, Any]] = []
        for kind in kinds:
            self._watch(kind)
            informer = self.env.informers.of(kind)
            await informer.wait_synced()
            resource = scheme.resource_of(cast(Any, kind))
            objects += [(resource, obj) for obj in informer.list(key[0])]
        now = self.env.clock.now()
        status = decide(quota, objects, now)
        if status != quota.status:
            await client.update(replace(quota, status=status), subresource="status")
        ends = [
            parse_time(obj.metadata.deletion_timestamp) - now
            for _, obj in objects
            if isinstance(obj, Pod) and obj.metadata.deletion_timestamp is not None and counting.counts(obj, now)
        ]
        if ends:
            self.controller.queue.add_after(key, min(ends) + 1.0)


def build(env: Environment) -> Controller[Key]:
    """Keys are ResourceQuotas."""
    return _Shell(env).controller
