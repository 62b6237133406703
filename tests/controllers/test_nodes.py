"""Nodes that fall silent, their taints, and what becomes of their pods."""

from __future__ import annotations

import msgspec

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
from pilothouse.controllers import node_ttl
from pilothouse.controllers.environment import Settings
from pilothouse.controllers.nodes import health, ranges, zones
from pilothouse.controllers.pod_control import with_spec
from pilothouse.semantics.conditions import find
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import Api, World, world

replace = msgspec.structs.replace
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
        for _ in range(7):
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


UNREACHABLE, NOT_READY = "node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"


async def taint(w: World, name: str, *keys: str) -> None:
    held = await w.client.get(Node, name)
    added = tuple(Taint(key=k, effect="NoExecute", time_added=format_time(w.clock.now())) for k in keys)
    await w.client.update(with_spec(held, taints=added))
    await w.rest()


async def leaving(w: World, name: str) -> bool:
    found = [p for p in await w.all(Pod) if p.metadata.name == name]
    return not found or found[0].metadata.deletion_timestamp is not None


EVICTION = ("taint-eviction-controller",)


async def test_the_time_of_a_toleration_begins_when_the_taint_is_seen(clock: VirtualClock) -> None:
    """Not when the pod was made, nor when somebody says that the taint was added."""
    async with world(clock, EVICTION) as w:
        await start(w, "a")
        await w.put(pod("p", "a"))
        await clock.advance(500)
        held = await w.client.get(Node, "a")
        old = Taint(key=UNREACHABLE, effect="NoExecute", time_added=format_time(clock.now() - 400))
        await w.client.update(with_spec(held, taints=(old,)))
        await clock.advance(9)
        assert not await leaving(w, "p")
        await clock.advance(2)
        assert await leaving(w, "p")


async def test_a_taint_that_takes_the_place_of_another_gives_no_new_time(clock: VirtualClock) -> None:
    async with world(clock, EVICTION) as w:
        await start(w, "a")
        await w.put(pod("p", "a"))
        await taint(w, "a", NOT_READY)
        await clock.advance(6)
        await taint(w, "a", UNREACHABLE)
        assert not await leaving(w, "p")
        await clock.advance(4)
        assert await leaving(w, "p")


async def test_a_taint_that_is_taken_away_cancels(clock: VirtualClock) -> None:
    async with world(clock, EVICTION) as w:
        await start(w, "a")
        await w.put(pod("p", "a"))
        await taint(w, "a", NOT_READY)
        await taint(w, "a")
        assert ("TaintManagerEviction", "Cancelling deletion of Pod ns/p") in await w.events()
        await clock.advance(60)
        assert not await leaving(w, "p")
        await taint(w, "a", NOT_READY)
        await clock.advance(8)
        assert not await leaving(w, "p")
        await taint(w, "a", NOT_READY, "mine")
        assert await leaving(w, "p"), "a taint that is not tolerated at all does not wait"


async def test_full_disruption_lifts_the_taints_that_evict(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await start(w, "a", "b")
        await w.put(pod("p", "a", tuple(replace(t, toleration_seconds=40) for t in TOLERATED)))
        for _ in range(7):
            await clock.advance(9)
            if clock.monotonic() < 1030:
                await beat(w, "b")
        assert taint_keys(await w.client.get(Node, "a")) == {
            ("unreachable", "NoSchedule"),
            ("unreachable", "NoExecute"),
        }
        await clock.advance(30)
        for name in ("a", "b"):
            assert taint_keys(await w.client.get(Node, name)) == {("unreachable", "NoSchedule")}
        await clock.advance(60)
        assert not await leaving(w, "p")
        # One comes back: the other is tainted again, and its pods have all of their time once more.
        back = await w.client.get(Node, "b")
        await w.status(back, conditions=node("b", beat=clock.now()).status.conditions)
        await beat(w, "b")
        await clock.advance(30)
        await beat(w, "b")
        assert not await leaving(w, "p")
        await clock.advance(12)
        assert await leaving(w, "p")


async def test_pods_are_marked_only_when_the_controller_lost_the_node(clock: VirtualClock) -> None:
    """A kubelet that says that it is not ready minds its pods itself."""
    async with world(clock, NAMES) as w:
        await start(w, "a", "b")
        await w.put(pod("p", "a", (Toleration(operator="Exists"),)))
        held = await w.client.get(Node, "a")
        await w.status(held, conditions=node("a", "False", beat=clock.now()).status.conditions)
        await w.rest()
        ready = find((await w.client.get(Pod, "p", "ns")).status.conditions, "Ready")
        assert ready is not None
        assert ready.status == "True"


def test_excluded_nodes_say_nothing_of_a_disruption() -> None:
    found = zones.Disruption()
    excluded = Node(metadata=ObjectMeta(name="x", labels={zones.EXCLUDED: ""}))
    assert not found.see("x", excluded)
    assert not found.full
    assert found.see("a", node("a", "Unknown"))
    assert found.full
    assert found.see("b", node("b"))
    assert not found.full
    assert found.see("b", None)
    assert found.full
    assert found.see("a", None)
    assert not found.full


def test_old_labels_follow_the_present_ones() -> None:
    present = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64", "beta.kubernetes.io/arch": "amd64"}
    found = health.labels_to_mirror(Node(metadata=ObjectMeta(name="a", labels=present)))
    assert found == {"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "arm64"}
    assert health.labels_to_mirror(Node(metadata=ObjectMeta(name="a"))) == {}


def test_time_to_live_follows_the_size_without_wavering() -> None:
    size = node_ttl.Size()
    assert not size.changed_by(100)
    assert size.seconds == 0
    assert size.changed_by(1)
    assert size.seconds == 15
    assert not size.changed_by(-11)
    assert size.changed_by(-1)
    assert size.seconds == 0
    assert size.changed_by(5000)
    assert size.seconds == 300


async def test_every_node_hears_of_a_new_time_to_live(clock: VirtualClock) -> None:
    async with world(clock, ("ttl-controller",)) as w:
        for number in range(101):
            await w.client.create(node(f"n{number}"))
        await w.rest()
        told = {n.metadata.annotations[node_ttl.ANNOTATION] for n in await w.all(Node, "")}
        assert told == {"15"}
        for number in range(12):
            await w.client.delete(Node, f"n{number}")
        await w.rest()
        told = {n.metadata.annotations[node_ttl.ANNOTATION] for n in await w.all(Node, "")}
        assert told == {"0"}


def test_ranges_of_pod_addresses() -> None:
    found = ranges.Ranges("10.0.0.0/22")
    found.see("own", (), ("10.0.0.0/24",))
    assert [found.take(name) for name in "abcd"] == ["10.0.3.0/24", "10.0.2.0/24", "10.0.1.0/24", None]
    found.see("b", ("10.0.2.0/24",), ())
    assert found.take("e") == "10.0.2.0/24"
    found.see("f", (), ("10.0.2.0/23", "no network", "fd00::/64", "192.168.0.0/16"))
    found.see("a", ("10.0.3.0/24",), ())
    assert found.take("g") is None, "another node has it too"
    found.see("f", ("10.0.2.0/23",), ())
    assert found.take("g") == "10.0.3.0/24"


async def test_nodes_made_by_hand_get_a_range_each(clock: VirtualClock) -> None:
    async with world(clock, ("node-ipam-controller",), Settings(cluster_network="10.0.0.0/22")) as w:
        own = with_spec(node("own"), pod_cidr="10.0.0.0/24", pod_cidrs=("10.0.0.0/24",))
        for made in (own, node("a"), node("b"), node("c"), node("d")):
            await w.client.create(made)
            await w.rest()
        found = {n.metadata.name: n.spec.pod_cidr for n in await w.all(Node, "")}
        assert found == {"own": "10.0.0.0/24", "a": "10.0.3.0/24", "b": "10.0.2.0/24", "c": "10.0.1.0/24", "d": ""}
        assert ("CIDRNotAvailable", "Node d status is now: CIDRNotAvailable") in await w.events()
        await w.client.delete(Node, "a")
        await clock.advance(60)
        assert (await w.client.get(Node, "d")).spec.pod_cidrs == ("10.0.3.0/24",)
