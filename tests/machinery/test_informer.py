"""Reflector and informer against the fake: sync, indexes, handlers, resumption, expiry."""

from __future__ import annotations

import msgspec
import pytest

from pilothouse.api import errors
from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.informer import Informers
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="ns"), data=data)


@pytest.fixture
def cluster(clock: VirtualClock) -> FakeCluster:
    return FakeCluster(clock)


async def test_mirrors_indexes_and_tells(clock: VirtualClock, cluster: FakeCluster) -> None:
    client = FakeClient(cluster)
    await client.create(config_map("a", team="x"))
    told: list[tuple[str, str]] = []
    async with TaskScope("test") as scope:
        informers = Informers(client, clock, Chance(1), scope)
        informer = informers.of(ConfigMap)
        assert informers.of(ConfigMap) is informer
        informer.add_index("team", lambda c: [c.data.get("team", "")])
        informer.add_handler(
            lambda old, new: told.append((old.data.get("team", "") if old else "+", new.data["team"] if new else "-"))
        )
        await informers.wait_synced()
        made = await client.create(config_map("b", team="y"))
        await informer.wait_version(int(made.metadata.resource_version))
        await client.update(msgspec.structs.replace(made, data={"team": "x"}))
        await client.delete(ConfigMap, "a", "ns")
        await clock.settle()
        assert told == [("+", "x"), ("+", "y"), ("y", "x"), ("x", "-")]
        assert [c.metadata.name for c in informer.by_index("team", "x")] == ["b"]
        assert informer.by_index("team", "y") == []
        assert informer.get("a", "ns") is None
        assert len(informer) == 1


async def test_goes_on_after_closed_watch_error_and_expiry(clock: VirtualClock, cluster: FakeCluster) -> None:
    client = FakeClient(cluster)
    kept = await client.create(config_map("kept"))
    lost = await client.create(config_map("lost"))
    gone: list[str] = []
    async with TaskScope("test") as scope:
        informer = Informers(client, clock, Chance(1), scope).of(ConfigMap)
        informer.add_handler(lambda old, new: gone.append(old.metadata.name) if old and not new else None)
        await informer.wait_synced()
        cluster.close_watches()
        cluster.reactors.append(
            lambda verb, resource, namespace, name: errors.internal("no") if verb == "watch" else None
        )
        await clock.advance(5)
        await client.delete(ConfigMap, "lost", "ns")
        again = await client.create(config_map("lost"))
        cluster.compact()
        cluster.reactors.clear()
        await clock.advance(60)
        assert gone == ["lost"]
        held = informer.get("lost", "ns")
        assert held is not None
        assert held.metadata.uid == again.metadata.uid != lost.metadata.uid
        assert informer.get("kept", "ns") == kept
