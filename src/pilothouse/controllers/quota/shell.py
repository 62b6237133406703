"""Counts what a quota's namespace uses and writes it into the quota's status, so that no charge is ever lost.

Admission charges a quota before the object is stored, by compare-and-swap on the status. A count that is made while a
charged object is on its way would take the charge back. So the status is first written back as it is: the server takes
that only when everything charged to this state was stored or refused. Then the objects are listed, from the server and
not from a cache, and the sum is written over that same state; a charge made meanwhile has changed it, and the write
meets a conflict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.time import parse_time
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.core.v1 import PersistentVolumeClaim, Pod, ResourceQuota, Service
from pilothouse.api.types.resources import SERVED
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.quota.decide import CLAIMS, PODS, SERVICES, Name, decide, resources_of, used_by
from pilothouse.controllers.quota.watching import Watches
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of
from pilothouse.machinery.discovery import preferred
from pilothouse.semantics import quota as counting
from pilothouse.semantics.conditions import find

IDENTITY = "resourcequota-controller"
SETTLE = 0.05
"""Seconds by which changes that give something back are gathered before a namespace is counted again."""
CHARGED = 1.0
"""Seconds after which what was charged is checked: mostly it is right already."""
AGAIN = 0.2
"""Seconds until the next try after a charge came in between."""
RESYNC = 300.0
"""Seconds between counts of everything (upstream's `--resource-quota-sync-period`)."""
PAGE = 500
# Kinds of which more counts than that they are there.
_MEASURED: dict[Name, type[Any]] = {PODS: Pod, SERVICES: Service, CLAIMS: PersistentVolumeClaim}
_BUILT_IN = preferred(SERVED)
replace = msgspec.structs.replace
Objects = list[tuple[Resource, Any]]


class _Shell:
    """Caches and writes; keys are quotas."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.controller: Controller[Key] = env.controller("resourcequota-controller", IDENTITY, self.reconcile)
        self.quotas = self.controller.on(ResourceQuota, self._quota_changed)
        self.definitions = self.controller.on(CustomResourceDefinition, self._definition_changed)
        self.watches = Watches(env, env.client_for(IDENTITY).metadata, self._usage_changed)

    def _quota_changed(self, old: ResourceQuota | None, new: ResourceQuota | None) -> Iterable[Key]:
        if new is None:
            return ()
        fresh = old is None or old.spec != new.spec or new.status.hard != new.spec.hard
        return (key_of(new),) if fresh else ()

    def _definition_changed(
        self, old: CustomResourceDefinition | None, new: CustomResourceDefinition | None
    ) -> Iterable[Key]:
        definition = new if new is not None else old
        assert definition is not None
        name = (definition.spec.group, definition.spec.names.plural)
        if new is None:
            self.watches.remove(name)
        return [key_of(q) for q in self.quotas.list() if any(used_by(n) == name for n in q.spec.hard)]

    def _usage_changed(self, name: Name, namespace: str, shrunk: bool) -> None:
        for quota in self.quotas.list(namespace):
            if any(used_by(n) == name for n in quota.spec.hard):
                self.controller.queue.add_after(key_of(quota), SETTLE if shrunk else CHARGED)

    async def reconcile(self, key: Key, client: Client) -> None:
        quota = self.quotas.get(key[1], key[0])
        if quota is None or quota.metadata.deletion_timestamp is not None:
            return
        resources = resources_of(quota, await self._served(quota, client))
        for resource in resources.values():
            self.watches.add(resource)
        objects = await _objects(client, resources, key[0])
        if decide(quota, resources, objects, self.env.clock.now()) != quota.status:
            try:
                await self._write(quota, resources, client)
            except StatusError as error:
                if error.reason != "Conflict":
                    raise
                # Somebody was charged meanwhile, as it goes where much is made.
                self.controller.queue.add_after(key, AGAIN)
        self.controller.queue.add_after(key, self._next(quota, resources, objects))

    async def _write(self, quota: ResourceQuota, resources: Mapping[Name, Resource], client: Client) -> None:
        """Count at one state of the quota, and write over that state. Raises StatusError (409) if it was charged."""
        quota = await client.update(quota, subresource="status")
        objects = await _objects(client, resources, quota.metadata.namespace)
        status = decide(quota, resources, objects, self.env.clock.now())
        if status != quota.status:
            await client.update(replace(quota, status=status), subresource="status")

    async def _served(self, quota: ResourceQuota, client: Client) -> Mapping[Name, Resource]:
        """What can be counted; discovery is asked only when a quota names what is not built in."""
        if all((name := used_by(n)) is None or name in _BUILT_IN for n in quota.spec.hard):
            return _BUILT_IN
        return preferred(await client.metadata.resources())

    def _next(self, quota: ResourceQuota, resources: Mapping[Name, Resource], objects: Objects) -> float:
        """Seconds until the count may be another without any event."""
        now = self.env.clock.now()
        ends = [
            parse_time(obj.metadata.deletion_timestamp) - now + 1.0
            for _, obj in objects
            if isinstance(obj, Pod) and obj.metadata.deletion_timestamp is not None and counting.counts(obj, now)
        ]
        missing = {used_by(n) for n in quota.spec.hard} - resources.keys()
        # One that is established is about to be served.
        coming = [CHARGED for d in self.definitions.list() if _established(d, missing)]
        return min([*ends, *coming, RESYNC])


def _established(definition: CustomResourceDefinition, names: set[Name | None]) -> bool:
    if (definition.spec.group, definition.spec.names.plural) not in names:
        return False
    told = find(definition.status.conditions or (), "Established")
    return told is not None and told.status == "True"


async def _objects(client: Client, resources: Mapping[Name, Resource], namespace: str) -> Objects:
    """The objects of a namespace as the server has them now; only their metadata of kinds that are merely counted."""
    found: Objects = []
    for name, resource in resources.items():
        kind = _MEASURED.get(name)
        token = ""
        while True:
            if kind is not None:
                page: Any = await client.list(kind, namespace, limit=PAGE, continue_token=token)
            else:
                page = await client.metadata.list(resource, namespace, limit=PAGE, continue_token=token)
            found += [(resource, obj) for obj in page.items]
            token = page.continue_token
            if not token:
                break
    return found


def build(env: Environment) -> Controller[Key]:
    """Keys are ResourceQuotas."""
    return _Shell(env).controller
