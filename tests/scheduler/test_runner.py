"""The whole scheduler against an API in memory, on virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from pilothouse.api import errors
from pilothouse.api.types.core.v1 import Event, Node, Pod
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.api.types.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.events import Recorder
from pilothouse.machinery.informer import Informers
from pilothouse.scheduler.runner import Scheduler
from pilothouse.semantics.pods import condition_of
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster
from tests.scheduler.build import node, pod

replace = msgspec.structs.replace
NO_HELP = "no new claims to deallocate, preemption: "


class Lab:
    def __init__(self, clock: VirtualClock, scope: TaskScope) -> None:
        self.clock = clock
        self.cluster = FakeCluster(clock)
        self.client = FakeClient(self.cluster)
        chance = Chance(5)
        self.recorder = Recorder("default-scheduler", self.client, clock, scope)
        informers = Informers(self.client, clock, chance, scope)
        self.scheduler = Scheduler(self.client, informers, clock, chance, self.recorder)
        scope.spawn(self.scheduler.run(), "scheduler")

    async def create(self, *objects: Any) -> None:
        for obj in objects:
            meta = replace(obj.metadata, uid="") if isinstance(obj, Node) else obj.metadata
            await self.client.create(replace(obj, metadata=meta))

    async def settle(self, seconds: float = 0.5) -> None:
        await self.clock.sleep(seconds)

    async def pod(self, name: str) -> Pod:
        return await self.client.get(Pod, name, "default")

    async def where(self, name: str) -> str:
        return (await self.pod(name)).spec.node_name

    async def message(self, name: str) -> str:
        condition = condition_of(await self.pod(name), "PodScheduled")
        assert condition is not None
        assert (condition.status, condition.reason) == ("False", "Unschedulable")
        return condition.message

    async def events(self, name: str) -> list[tuple[str, str, str]]:
        found = (await self.client.list(Event, "default")).items
        return [(e.type, e.reason, e.message) for e in found if e.involved_object.name == name]


@pytest.fixture
async def lab(clock: VirtualClock) -> AsyncIterator[Lab]:
    async with TaskScope("test") as scope:
        lab = Lab(clock, scope)
        await lab.scheduler.wait_ready()
        yield lab


async def test_a_pod_gets_a_node(lab: Lab) -> None:
    await lab.create(node("a"), pod("p", cpu="1"))
    await lab.settle()
    assert await lab.where("p") == "a"
    assert ("Normal", "Scheduled", "Successfully assigned default/p to a") in await lab.events("p")


async def test_others_are_left_alone(lab: Lab) -> None:
    await lab.create(node("a"), pod("p", schedulerName="mine"), pod("q", schedulingGates=[{"name": "wait"}]))
    await lab.settle()
    assert await lab.where("p") == ""
    assert await lab.where("q") == ""
    gated = await lab.pod("q")
    await lab.client.update(replace(gated, spec=replace(gated.spec, scheduling_gates=())))
    await lab.settle()
    assert await lab.where("q") == "a"


async def test_says_why_and_tries_again_when_it_may_help(lab: Lab) -> None:
    await lab.create(node("a", cpu="1"), node("b", cpu="1"), pod("p", cpu="2"))
    await lab.settle()
    said = "0/2 nodes are available: 2 Insufficient cpu. " + NO_HELP
    said += "0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    assert await lab.message("p") == said
    assert ("Warning", "FailedScheduling", said) in await lab.events("p")
    attempts = lab.scheduler.counters.attempts
    await lab.create(node("c", cpu="1"))
    await lab.settle(20)
    assert lab.scheduler.counters.attempts == attempts, "a node that is too small is no reason to try again"
    await lab.create(node("d", cpu="4"))
    await lab.settle(2)
    assert await lab.where("p") == "d"


async def test_full_nodes_have_no_victims_of_equal_rank(lab: Lab) -> None:
    await lab.create(node("a", cpu="2"), pod("q", cpu="2"))
    await lab.settle()
    await lab.create(pod("p", cpu="1"))
    await lab.settle()
    said = "0/1 nodes are available: 1 Insufficient cpu. " + NO_HELP
    assert await lab.message("p") == said + "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    await lab.client.delete(Pod, "q", "default", grace_period_seconds=0)
    await lab.settle(3)
    assert await lab.where("p") == "a"


async def test_no_nodes_at_all(lab: Lab) -> None:
    await lab.create(pod("p"))
    await lab.settle()
    assert await lab.message("p") == "no nodes available to schedule pods"
    await lab.create(node("a"))
    await lab.settle(2)
    assert await lab.where("p") == "a"


async def test_never_preempts(lab: Lab) -> None:
    await lab.create(node("a", cpu="2"), pod("q", cpu="2"))
    await lab.settle()
    await lab.create(pod("p", cpu="1", priority=9, preemptionPolicy="Never"))
    await lab.settle()
    assert (await lab.message("p")).endswith(NO_HELP + "not eligible due to preemptionPolicy=Never.")


async def test_the_important_pod_gets_the_room_of_the_least_important(lab: Lab) -> None:
    await lab.create(node("a", cpu="2"), node("b", cpu="2"))
    await lab.create(pod("low", cpu="2", priority=1, nodeSelector={"kubernetes.io/hostname": "a"}))
    await lab.create(pod("mid", cpu="2", priority=5, nodeSelector={"kubernetes.io/hostname": "b"}))
    await lab.settle()
    await lab.create(pod("top", cpu="2", priority=9))
    await lab.settle()
    promised = await lab.pod("top")
    assert promised.status.nominated_node_name == "a"
    leaving = await lab.pod("low")
    assert leaving.metadata.deletion_timestamp is not None
    target = condition_of(leaving, "DisruptionTarget")
    assert target is not None
    assert target.reason == "PreemptionByScheduler"
    await lab.create(pod("late", cpu="2", priority=9, nodeSelector={"kubernetes.io/hostname": "a"}))
    await lab.settle(5)
    assert await lab.where("late") == "", "the room is promised"
    await lab.client.delete(Pod, "late", "default", grace_period_seconds=0)
    await lab.client.delete(Pod, "low", "default", grace_period_seconds=0)
    await lab.settle(12)
    assert await lab.where("top") == "a"
    assert await lab.where("mid") == "b"
    assert any(reason == "Preempted" for _, reason, _ in await lab.events("low"))


async def test_a_budget_is_broken_last(lab: Lab) -> None:
    await lab.create(node("a", cpu="2"), node("b", cpu="2"))
    guarded = {"app": "guarded"}
    await lab.create(
        PodDisruptionBudget(
            metadata=ObjectMeta(name="guard", namespace="default"),
            spec=PodDisruptionBudgetSpec(selector=LabelSelector(match_labels=guarded)),
            status=PodDisruptionBudgetStatus(disruptions_allowed=0),
        )
    )
    await lab.create(pod("kept", guarded, cpu="2", priority=1, nodeSelector={"kubernetes.io/hostname": "a"}))
    await lab.create(pod("mid", cpu="2", priority=5, nodeSelector={"kubernetes.io/hostname": "b"}))
    await lab.settle()
    await lab.create(pod("top", cpu="2", priority=9))
    await lab.settle()
    await lab.client.delete(Pod, "mid", "default", grace_period_seconds=0)
    await lab.settle(12)
    assert await lab.where("top") == "b"
    assert await lab.where("kept") == "a"


async def test_a_refused_binding_is_tried_again_and_frees_the_node(lab: Lab) -> None:
    refusals = [2]

    def refuse(verb: str, resource: Any, namespace: str, name: str) -> errors.StatusError | None:
        if name == "p" and verb == "create" and refusals[0]:
            refusals[0] -= 1
            return errors.internal("not now")
        return None

    await lab.create(node("a", cpu="2"), pod("p", cpu="2"))
    lab.cluster.reactors.append(refuse)
    await lab.settle(10)
    assert await lab.where("p") == "a"
    requested = lab.scheduler.watching.snapshot.columns["requested/cpu"]
    assert requested[0] == 2000


async def test_many_pods_fill_the_cluster_exactly(lab: Lab) -> None:
    await lab.create(*(node(f"n{i}", cpu="4") for i in range(5)))
    await lab.create(*(pod(f"p{i}", cpu="1") for i in range(25)))
    await lab.settle(5)
    placed = [await lab.where(f"p{i}") for i in range(25)]
    assert sum(1 for name in placed if name) == 20
    assert all(placed.count(f"n{i}") == 4 for i in range(5))
    assert lab.scheduler.watching.queue.counts["unschedulable"] == 5


async def test_deleted_while_waiting(lab: Lab) -> None:
    await lab.create(pod("p"))
    await lab.settle()
    await lab.client.delete(Pod, "p", "default", grace_period_seconds=0)
    await lab.settle()
    assert len(lab.scheduler.watching.queue) == 0
