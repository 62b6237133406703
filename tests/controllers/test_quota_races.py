"""No interleaving of charges and recounts lets a namespace have more than its quota, nor loses what it has."""

from __future__ import annotations

import contextlib

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.quantity import parse
from pilothouse.api.types.core.v1 import ConfigMap, Namespace, ResourceQuota, ResourceQuotaSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, world
from tests.turns import StoreOfTurns, in_turns, orders

NAMES = ("resourcequota-controller",)
pytestmark = pytest.mark.api("server")  # the fake charges nothing


async def create(w: World, namespace: str, name: str) -> None:
    with contextlib.suppress(StatusError):
        await w.client.create(ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace)))


async def remove(w: World, namespace: str, name: str) -> None:
    await w.client.delete(ConfigMap, name, namespace)


async def recount(w: World, namespace: str) -> None:
    """One round of the controller, each of its requests a step."""
    controller = w.controllers["resourcequota-controller"]
    client = in_turns(controller._client)
    with contextlib.suppress(StatusError):
        await controller._reconcile((namespace, "q"), client)


async def prepared(w: World, namespace: str, *held: str) -> None:
    await w.client.create(Namespace(metadata=ObjectMeta(name=namespace)))
    for name in held:
        await w.client.create(ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace)))
    hard = {"configmaps": parse("1")}
    spec = ResourceQuotaSpec(hard=hard)
    await w.client.create(ResourceQuota(metadata=ObjectMeta(name="q", namespace=namespace), spec=spec))
    await w.clock.advance(0.5)


@pytest.mark.parametrize("replaced", [False, True])
async def test_no_order_of_creates_and_a_recount_exceeds_the_quota(clock: VirtualClock, replaced: bool) -> None:
    async with world(clock, NAMES, store=StoreOfTurns(MemoryStore())) as w:
        number = 0
        async for turns in orders(clock):
            number += 1
            namespace = f"n{number}"
            await prepared(w, namespace, *(("old",) if replaced else ()))
            third = remove(w, namespace, "old") if replaced else create(w, namespace, "b")
            await turns.play(first=create(w, namespace, "a"), second=recount(w, namespace), third=third)
            if replaced:
                await create(w, namespace, "b")
            held = [c.metadata.name for c in await w.all(ConfigMap, namespace)]
            assert len(held) <= 1, (held, turns.steps)
            await clock.advance(5)
            quota = await w.client.get(ResourceQuota, "q", namespace)
            assert str(quota.status.used["configmaps"]) == str(len(held)), turns.steps
        assert number > 20
