"""A control plane of the controllers a test names, on the fake cluster and virtual time."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from pilothouse.api.types.core.v1 import Event, Namespace
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers import roster
from pilothouse.controllers.environment import Environment, Settings
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.informer import Informers
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster

T = TypeVar("T")
replace = msgspec.structs.replace


@dataclass
class World:
    clock: VirtualClock
    cluster: FakeCluster
    client: FakeClient

    async def rest(self) -> None:
        """Let everything that is under way come to rest; no time passes beyond a second's back-off."""
        await self.clock.advance(1.0)

    async def all(self, kind: type[T], namespace: str = "ns") -> list[T]:
        return list((await self.client.list(kind, namespace)).items)  # type: ignore[type-var]

    async def events(self) -> list[tuple[str, str]]:
        found: list[Event] = await self.all(Event, "")
        return [(e.reason, e.message) for e in found]

    async def status(self, obj: Any, **changes: Any) -> Any:
        """Write a changed status, as the component that owns it would."""
        latest = await self.client.get(type(obj), obj.metadata.name, obj.metadata.namespace)
        return await self.client.update(replace(latest, status=replace(latest.status, **changes)), subresource="status")


@contextlib.asynccontextmanager
async def world(clock: VirtualClock, names: Iterable[str], settings: Settings | None = None) -> AsyncIterator[World]:
    cluster = FakeCluster(clock)
    client = FakeClient(cluster)
    await client.create(Namespace(metadata=ObjectMeta(name="ns")))
    async with TaskScope("controllers") as scope:
        informers = Informers(client, clock, Chance(1), scope)
        env = Environment(lambda name: client, informers, clock, Chance(2), scope, settings or Settings())
        roster.start(env, names)
        await clock.settle()
        yield World(clock, cluster, client)
