"""DaemonSets: a pod on each node that takes one, rolled one after another."""

from __future__ import annotations

import pytest

from pilothouse.api.time import parse_time
from pilothouse.api.types.apps.v1 import (
    ControllerRevision,
    DaemonSet,
    DaemonSetSpec,
    DaemonSetUpdateStrategy,
    RollingUpdateDaemonSet,
)
from pilothouse.api.types.core.v1 import (
    Container,
    Node,
    NodeSpec,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
    Taint,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.controllers.daemonset import placement
from pilothouse.controllers.daemonset.decide import decide, is_updated, roll
from pilothouse.controllers.pod_control import with_meta, with_spec
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, untouched, world

LABELS = {"app": "agent"}
NAMES = ("daemonset-controller",)


def template(image: str, **spec: object) -> PodTemplateSpec:
    containers = (Container(name="c", image=image),)
    return PodTemplateSpec(metadata=ObjectMeta(labels=LABELS), spec=PodSpec(containers=containers, **spec))  # type: ignore[arg-type]


def daemon_set(surge: int = 0) -> DaemonSet:
    rolling = RollingUpdateDaemonSet(max_surge=surge, max_unavailable=0 if surge else 1)
    return DaemonSet(
        metadata=ObjectMeta(name="agent", namespace="ns"),
        spec=DaemonSetSpec(
            selector=LabelSelector(match_labels=LABELS),
            template=template("v1"),
            update_strategy=DaemonSetUpdateStrategy(type="RollingUpdate", rolling_update=rolling),
        ),
    )


async def nodes(w: World, *names: str) -> None:
    for name in names:
        made = await w.client.create(Node(metadata=ObjectMeta(name=name, labels={"name": name})))
        # Whoever registers a node that is not ready gets a taint with it.
        await w.client.update(with_spec(made, taints=()))


async def live(w: World, rounds: int = 1) -> None:
    for _ in range(rounds):
        await w.rest()
        for pod in await w.all(Pod):
            if untouched(pod):
                condition = PodCondition(type="Ready", status="True", last_transition_time="2026-01-01T00:00:00Z")
                await w.status(pod, phase="Running", conditions=(condition,))
    await w.rest()


async def targets(w: World) -> list[str]:
    return sorted(placement.target(p) for p in await w.all(Pod))


async def test_each_node_gets_one(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await nodes(w, "a", "b")
        await w.client.create(daemon_set())
        await live(w)
        assert await targets(w) == ["a", "b"]
        held = (await w.all(DaemonSet))[0].status
        assert (held.desired_number_scheduled, held.number_ready, held.number_available) == (2, 2, 2)
        assert (held.updated_number_scheduled, held.number_unavailable) == (2, 0)
        await nodes(w, "c")
        await live(w)
        assert await targets(w) == ["a", "b", "c"]
        pod = (await w.all(Pod))[0]
        await w.client.delete(Pod, pod.metadata.name, "ns", grace_period_seconds=0)
        await live(w)
        assert await targets(w) == ["a", "b", "c"]


async def test_selector_and_taints_choose_nodes(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await nodes(w, "a", "b")
        await w.client.create(with_spec(daemon_set(), template=template("v1", node_selector={"name": "a"})))
        await live(w)
        assert await targets(w) == ["a"]
        node = await w.client.get(Node, "a")
        await w.client.update(with_meta(node, labels={}))
        await live(w)
        assert await targets(w) == []


@pytest.mark.parametrize(
    ("taint", "expected"),
    [
        (Taint(key="x", effect="NoSchedule"), (False, True)),
        (Taint(key="x", effect="NoExecute"), (False, False)),
        (Taint(key="node.kubernetes.io/unreachable", effect="NoExecute"), (True, True)),
        (Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule"), (True, True)),
    ],
)
def test_taints(taint: Taint, expected: tuple[bool, bool]) -> None:
    assert placement.belongs(daemon_set(), Node(spec=NodeSpec(taints=(taint,)))) == expected


@pytest.mark.parametrize("surge", [0, 1])
async def test_rolls_one_at_a_time(clock: VirtualClock, surge: int) -> None:
    async with world(clock, NAMES) as w:
        await nodes(w, "a", "b", "c")
        await w.client.create(daemon_set(surge))
        await live(w, 3)
        held = await w.client.get(DaemonSet, "agent", "ns")
        await w.client.update(with_spec(held, template=template("v2")))
        await w.rest()
        images = [(p.spec.containers or ())[0].image for p in await w.all(Pod)]
        assert images.count("v1") == (3 if surge else 2)
        await live(w, 8)
        assert {(p.spec.containers or ())[0].image for p in await w.all(Pod)} == {"v2"}
        assert await targets(w) == ["a", "b", "c"]
        assert len(await w.all(ControllerRevision)) == 2


async def test_failed_pod_is_replaced(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await nodes(w, "a")
        await w.client.create(daemon_set())
        await live(w)
        (pod,) = await w.all(Pod)
        await w.status(pod, phase="Failed")
        await w.rest()
        (again,) = await w.all(Pod)
        assert again.metadata.uid != pod.metadata.uid
        assert any(reason == "FailedDaemonPod" for reason, _ in await w.events())


NOW = parse_time("2026-01-02T00:00:00Z")
SURGE, PLAIN = daemon_set(1), daemon_set()


def member(node: str, digest: str = "old", state: str = "ready", age: int = 0) -> Pod:
    """A pod on a node: `ready`, `unready`, `failed`, or `leaving` (being deleted)."""
    meta = ObjectMeta(
        name=f"{node}-{digest}-{age}",
        labels={placement.HASH_LABEL: digest},
        creation_timestamp=f"2026-01-01T00:00:{50 - age:02}Z",
        deletion_timestamp="2026-01-01T00:00:00Z" if state == "leaving" else None,
    )
    ready = "False" if state == "unready" else "True"
    condition = PodCondition(type="Ready", status=ready, last_transition_time="2026-01-01T00:00:00Z")
    phase = "Failed" if state == "failed" else "Running"
    return Pod(metadata=meta, spec=PodSpec(node_name=node), status=PodStatus(phase=phase, conditions=(condition,)))


def node(name: str, *taints: str) -> Node:
    return Node(metadata=ObjectMeta(name=name), spec=NodeSpec(taints=tuple(Taint(key="x", effect=e) for e in taints)))


@pytest.mark.parametrize(
    ("ds", "there", "create", "delete"),
    [
        (PLAIN, [], ["a"], []),
        (PLAIN, [member("a", state="leaving")], [], []),
        (SURGE, [member("a", state="leaving")], ["a"], []),
        (PLAIN, [member("a", age=1), member("a", age=2)], [], ["a-old-1"]),
        (PLAIN, [member("a", "new"), member("a", age=2)], [], ["a-new-0"]),
        # A surge: the old one stays while it is ready and the new one is not available.
        (SURGE, [member("a", "new", "unready"), member("a")], [], []),
        (SURGE, [member("a", "new", "unready"), member("a", state="unready")], [], ["a-old-0"]),
        (SURGE, [member("a", "new"), member("a")], [], ["a-old-0"]),
        (SURGE, [member("a", "new", "unready"), member("a"), member("a", age=3)], [], ["a-old-0"]),
    ],
)
def test_one_pod_a_node(ds: DaemonSet, there: list[Pod], create: list[str], delete: list[str]) -> None:
    plan = decide(ds, [node("a")], there, "new", NOW)
    assert (plan.create, [p.metadata.name for p in plan.delete]) == (create, delete)


@pytest.mark.parametrize(
    ("ds", "there", "create", "delete"),
    [
        (PLAIN, [member("a"), member("b")], [], ["a-old-0"]),
        (PLAIN, [member("a", "new", "unready"), member("b")], [], []),
        (PLAIN, [member("a", state="unready"), member("b")], [], ["a-old-0"]),
        (PLAIN, [member("a", "new"), member("b"), member("c")], [], ["b-old-0"]),
        (SURGE, [member("a"), member("b")], ["a"], []),
        (SURGE, [member("a", "new", "unready"), member("a"), member("b")], [], []),
        (SURGE, [member("a"), member("b", state="unready")], ["b", "a"], []),
        # c, where the pod no longer belongs, waits until enough others are available.
        (SURGE, [member("a", "new"), member("b", "new", "unready"), member("c")], [], []),
        (SURGE, [member("a", "new"), member("b", "new"), member("c")], [], ["c-old-0"]),
        (SURGE, [member("a", "new"), member("b", "new", "unready"), member("c", state="unready")], [], ["c-old-0"]),
    ],
)
def test_rolling(ds: DaemonSet, there: list[Pod], create: list[str], delete: list[str]) -> None:
    nodes = [node("a"), node("b"), node("c", "NoSchedule")]
    plan = roll(ds, nodes, there, "new", NOW)
    assert (plan.create, [p.metadata.name for p in plan.delete]) == (create, delete)


def test_a_pod_is_of_the_present_template_by_its_old_generation_too() -> None:
    ds = with_meta(PLAIN, annotations={placement.GENERATION_ANNOTATION: "3"})
    by_generation = with_meta(member("a"), labels={placement.GENERATION_LABEL: "3"})
    assert is_updated(ds, by_generation, "new")
    assert is_updated(ds, member("a", "new"), "new")
    assert not is_updated(ds, member("a"), "new")
    assert not is_updated(PLAIN, by_generation, "new")
