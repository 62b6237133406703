"""Nodes that fall silent, their taints, and what becomes of their pods."""

from __future__ import annotations

from pilothouse.api.time import format_micro_time, format_time
from pilothouse.api.types.coordination.v1 import Lease, LeaseSpec
from pilothouse.api.types.core.v1 import (
    Container,
    Namespace,
    Node,
    NodeCondition,
    NodeStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    Taint,
    Toleration,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.nodes import health, zones
from pilothouse.controllers.pod_control import with_spec
from pilothouse.semantics.conditions import find
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import Api, World, world

NAMES = ("node-lifecycle-controller", "taint-eviction-controller", "pod-garbage-collector-controller")
TOLERATED = tuple(
    Toleration(key=k, operator="Exists", effect="NoExecute", toleration_seconds=10)
    for k in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
)


def node(name: str, ready: str = "True", beat: float = 1_767_225_600.0) -> Node:
    condition = NodeCondition(type="Ready", status=ready, last_heartbeat_time=format_time(beat))
    return Node(metadata=ObjectMeta(name=name), status=NodeStatus(conditions=(condition,)))


def pod(name: str, on: str, tolerations: tuple[Toleration, ...] = TOLERATED) -> Pod:
    return Pod(
        metadata=ObjectMeta(name=name, namespace="ns"),
        spec=PodSpec(containers=(Container(name="c", image="i"),), node_name=on, tolerations=tolerations),
        status=PodStatus(phase="Running", conditions=(PodCondition(type="Ready", status="True"),)),
    )


async def beat(w: World, name: str) -> None:
    lease = await w.client.get(Lease, name, "kube-node-lease")
    renewed = format_micro_time(w.clock.now())
    await w.client.update(with_spec(lease, renew_time=renewed))


async def start(w: World, *names: str) -> None:
    if Api.chosen == Api.FAKE:
        await w.client.create(Namespace(metadata=ObjectMeta(name="kube-node-lease")))
    for name in names:
        await w.put(node(name))
        meta = ObjectMeta(name=name, namespace="kube-node-lease")
        await w.client.create(Lease(metadata=meta, spec=LeaseSpec(renew_time=format_micro_time(w.clock.now()))))
    await w.rest()


def taint_keys(found: Node) -> set[tuple[str, str]]:
    return {(t.key.partition("/")[2], t.effect) for t in found.spec.taints}


async def test_silent_node_is_tainted_its_pods_evicted_and_it_comes_back(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await start(w, "a", "b")
        await w.put(pod("evicted", "a"))
        await w.put(pod("stays", "a", (Toleration(operator="Exists"),)))
        await w.put(pod("elsewhere", "b"))
        for _ in range(6):
            await clock.advance(10)
            await beat(w, "b")
            if clock.monotonic() < 1025:
                await beat(w, "a")
        silent = await w.client.get(Node, "a")
        condition = find(silent.status.conditions, "Ready")
        assert condition is not None
        assert (condition.status, condition.reason, condition.message) == (
            "Unknown",
            "NodeStatusUnknown",
            "Kubelet stopped posting node status.",
        )
        assert taint_keys(silent) == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
        assert taint_keys(await w.client.get(Node, "b")) == set()
        found = {p.metadata.name: p for p in await w.all(Pod)}
        ready = find(found["stays"].status.conditions, "Ready")
        assert ready is not None
        assert ready.status == "False"
        for _ in range(2):
            await clock.advance(6)
            await beat(w, "b")
        found = {p.metadata.name: p for p in await w.all(Pod)}
        assert [n for n, p in found.items() if p.metadata.deletion_timestamp] == ["evicted"]
        target = find(found["evicted"].status.conditions, "DisruptionTarget")
        assert target is not None
        assert target.reason == "DeletionByTaintManager"
        assert ("TaintManagerEviction", "Marking for deletion Pod ns/evicted") in await w.events()
        assert ("NodeNotReady", "Node a status is now: NodeNotReady") in await w.events()

        latest = await w.client.get(Node, "a")
        await w.status(latest, conditions=node("a", beat=clock.now()).status.conditions)
        await w.rest()
        assert taint_keys(await w.client.get(Node, "a")) == set()


async def test_all_nodes_silent_evicts_nobody(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await start(w, "a", "b")
        await w.put(pod("p", "a"))
        await clock.advance(120)
        for name in ("a", "b"):
            assert taint_keys(await w.client.get(Node, name)) == {("unreachable", "NoSchedule")}


async def test_taints_follow_conditions_and_cordon(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await start(w, "a")
        held = await w.client.get(Node, "a")
        await w.client.update(with_spec(held, unschedulable=True, taints=(Taint(key="mine", effect="NoExecute"),)))
        conditions = (*held.status.conditions, NodeCondition(type="DiskPressure", status="True"))
        await w.status(held, conditions=conditions)
        await w.rest()
        assert taint_keys(await w.client.get(Node, "a")) == {
            ("", "NoExecute"),
            ("unschedulable", "NoSchedule"),
            ("disk-pressure", "NoSchedule"),
        }


async def test_pods_of_a_deleted_node_are_collected(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await start(w, "a")
        await w.put(pod("p", "a"))
        await w.client.delete(Node, "a")
        await clock.advance(30)
        assert await w.all(Pod)
        await clock.advance(60)
        assert not await w.all(Pod)


def test_rates_by_zone() -> None:
    def zone(name: str, ready: int, unready: int) -> list[Node]:
        meta = ObjectMeta(labels={zones.ZONE: name})
        states = ["True"] * ready + ["Unknown"] * unready
        return [
            Node(metadata=meta, status=NodeStatus(conditions=(NodeCondition(type="Ready", status=s),))) for s in states
        ]

    told = zones.Rates()
    found = zones.rates([*zone("small", 2, 4), *zone("big", 20, 40), *zone("fine", 9, 1), *zone("dead", 0, 3)], told)
    assert [found[f":\x00:{name}"] for name in ("small", "big", "fine", "dead")] == [0.0, 0.01, 0.1, 0.1]
    assert set(zones.rates(zone("dead", 0, 3), told).values()) == {0.0}


def test_not_ready_becomes_unreachable_without_a_new_permit() -> None:
    held = node("a", "Unknown")
    held = with_spec(held, taints=(Taint(key="node.kubernetes.io/not-ready", effect="NoExecute"),))
    found = health.decide_taints(held, 0, may_evict=False)
    assert found is not None
    assert {(t.key.partition("/")[2], t.effect) for t in found} == {
        ("unreachable", "NoSchedule"),
        ("unreachable", "NoExecute"),
    }
