"""The controller shell: keys from changes, back-off, and no acting on a cache older than one's own write."""

from __future__ import annotations

import pytest

from pilothouse.api import errors
from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, ReconcileError, own_key
from pilothouse.machinery.informer import Informers
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster


async def test_sees_its_own_writes_before_it_acts_again(clock: VirtualClock) -> None:
    cluster = FakeCluster(clock)
    client = FakeClient(cluster)
    async with TaskScope("test") as scope:
        informers = Informers(client, clock, Chance(1), scope)
        rounds: list[int] = []

        async def reconcile(key: Key, writer: Client) -> None:
            made = informer.list("ns")
            rounds.append(len(made))
            if len(made) < 3:
                await writer.create(ConfigMap(metadata=ObjectMeta(generate_name="c-", namespace="ns")))
                controller.queue.add(key)

        controller: Controller[Key] = Controller("test", reconcile, client, informers, clock)
        informer = controller.on(ConfigMap, lambda old, new: ())
        scope.spawn(controller.run(), "controller")
        controller.queue.add(("ns", "x"))
        await clock.settle()
        assert rounds == [0, 1, 2, 3]
        assert len(informer) == 3


async def test_failure_backs_off_and_success_forgets(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    client = FakeClient(FakeCluster(clock))
    async with TaskScope("test") as scope:
        informers = Informers(client, clock, Chance(1), scope)
        times: list[float] = []

        async def reconcile(key: Key, writer: Client) -> None:
            times.append(clock.monotonic())
            if len(times) == 1:
                raise errors.internal("once")
            if len(times) == 2:
                raise KeyError("a bug must not end the controller")
            if len(times) == 3:
                raise ReconcileError("all is taken")

        controller: Controller[Key] = Controller("test", reconcile, client, informers, clock)
        controller.on(ConfigMap, own_key)
        scope.spawn(controller.run(), "controller")
        await client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="ns")))
        await clock.advance(10)
        assert [round(t - times[0], 3) for t in times] == [0, 0.005, 0.015, 0.035]
        assert (controller.reconciled, controller.failed) == (4, 3)
        assert controller.queue.failures(("ns", "a")) == 0
    told = [(record.levelname, record.exc_info is not None, str(record.args)) for record in caplog.records]
    assert [one[:2] for one in told] == [("WARNING", False), ("ERROR", True), ("WARNING", False)]
    assert "all is taken" in told[-1][2]
