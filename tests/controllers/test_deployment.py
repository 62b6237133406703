"""Deployments: rolling and recreating, history, pause, deadline, scaling in proportion; and safety, by property."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.types.apps.v1 import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    ReplicaSetSpec,
    RollingUpdateDeployment,
)
from pilothouse.api.types.core.v1 import Container, Pod, PodCondition, PodSpec, PodTemplateSpec
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.controllers.deployment import sizes
from pilothouse.controllers.deployment.decide import decide
from pilothouse.controllers.deployment.revisions import REVISION, wanted
from pilothouse.controllers.pod_control import with_spec
from pilothouse.semantics.conditions import find
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, world

LABELS = {"app": "web"}
NAMES = ("replicaset-controller", "deployment-controller")
replace = msgspec.structs.replace


def template(image: str) -> PodTemplateSpec:
    return PodTemplateSpec(
        metadata=ObjectMeta(labels=LABELS), spec=PodSpec(containers=(Container(name="c", image=image),))
    )


def deployment(
    replicas: int = 3, image: str = "v1", surge: int | str = "25%", unavailable: int | str = "25%", kind: str = ""
) -> Deployment:
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable) if not kind else None
    return Deployment(
        metadata=ObjectMeta(name="web", namespace="ns", uid="d"),
        spec=DeploymentSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels=LABELS),
            template=template(image),
            strategy=DeploymentStrategy(type=kind or "RollingUpdate", rolling_update=rolling),
            progress_deadline_seconds=600,
            revision_history_limit=10,
        ),
    )


async def get(w: World) -> Deployment:
    return await w.client.get(Deployment, "web", "ns")


async def live(w: World, rounds: int = 20, bad: str = "") -> None:
    """Be the kubelet: pods become ready at once, except those of the image `bad`."""
    condition = PodCondition(type="Ready", status="True", last_transition_time="2026-01-01T00:00:00Z")
    for _ in range(rounds):
        await w.rest()
        for pod in await w.all(Pod):
            containers = pod.spec.containers or ()
            if not pod.status.conditions and containers[0].image != bad:
                await w.status(pod, phase="Running", conditions=(condition,))
    await w.rest()


async def sets(w: World) -> dict[str, int]:
    found = await w.all(ReplicaSet)
    return {rs.metadata.annotations[REVISION]: wanted(rs) for rs in found}


async def test_rolls_out_rolls_back_and_keeps_history(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(deployment(3))
        await live(w)
        held = await get(w)
        assert held.metadata.annotations[REVISION] == "1"
        assert (held.status.replicas, held.status.available_replicas, held.status.updated_replicas) == (3, 3, 3)
        assert held.status.observed_generation == held.metadata.generation
        progressing, available = find(held.status.conditions, "Progressing"), find(held.status.conditions, "Available")
        assert progressing is not None
        assert available is not None
        (first,) = await w.all(ReplicaSet)
        assert (progressing.status, progressing.reason) == ("True", "NewReplicaSetAvailable")
        assert progressing.message == f'ReplicaSet "{first.metadata.name}" has successfully progressed.'
        assert available.message == "Deployment has minimum availability."
        told = f"Scaled up replica set {first.metadata.name} from 0 to 3"
        assert ("ScalingReplicaSet", told) in await w.events()

        await w.client.update(with_spec(held, template=template("v2")))
        await live(w)
        assert await sets(w) == {"1": 0, "2": 3}
        await w.client.update(with_spec(await get(w), template=template("v1")))
        await live(w)
        assert await sets(w) == {"3": 3, "2": 0}
        again = await w.client.get(ReplicaSet, first.metadata.name, "ns")
        assert again.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"


async def test_bad_image_leaves_old_pods_and_times_out(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(deployment(4, surge=1, unavailable=1))
        await live(w)
        await w.client.update(with_spec(await get(w), template=template("bad")))
        await live(w, bad="bad")
        assert await sets(w) == {"1": 3, "2": 2}
        await clock.advance(700)
        condition = find((await get(w)).status.conditions, "Progressing")
        assert condition is not None
        assert (condition.status, condition.reason) == ("False", "ProgressDeadlineExceeded")


async def test_recreate_waits_for_old_pods(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(deployment(2, kind="Recreate"))
        await w.rest()
        for pod in await w.all(Pod):
            await w.bind(pod, "n")
        await w.client.update(with_spec(await get(w), template=template("v2")))
        await w.rest()
        pods = await w.all(Pod)
        assert len(pods) == 2
        assert all(p.metadata.deletion_timestamp for p in pods)
        for pod in pods:
            await w.client.delete(Pod, pod.metadata.name, "ns", grace_period_seconds=0)
        await w.rest()
        assert {(p.spec.containers or ())[0].image for p in await w.all(Pod)} == {"v2"}


async def test_paused_deployment_scales_but_does_not_roll(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(deployment(2))
        await live(w, 3)
        await w.client.update(with_spec(await get(w), paused=True, template=template("v2"), replicas=5))
        await live(w, 3)
        assert await sets(w) == {"1": 5}
        condition = find((await get(w)).status.conditions, "Progressing")
        assert condition is not None
        assert (condition.status, condition.reason, condition.message) == (
            "Unknown",
            "DeploymentPaused",
            "Deployment is paused",
        )
        await w.client.update(with_spec(await get(w), paused=False))
        await live(w)
        assert await sets(w) == {"1": 0, "2": 5}


async def test_history_limit_and_template_of_someone_else(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(with_spec(deployment(1), revision_history_limit=1))
        for version in ("v1", "v2", "v3", "v4"):
            await w.client.update(with_spec(await get(w), template=template(version)))
            await live(w, 6)
        assert await sets(w) == {"3": 0, "4": 1}


async def test_collision_of_names_counts(clock: VirtualClock) -> None:
    async with world(clock, ("deployment-controller",)) as w:
        # With its defaults, as the server has it: they are in the hash that makes the name.
        probe = decide(await w.client.create(deployment(1), dry_run=True), [], {}, 0).create
        assert probe is not None
        labels = {"app": "stranger"}
        alike = replace(template("v1"), metadata=ObjectMeta(labels=labels))
        stranger = ReplicaSetSpec(selector=LabelSelector(match_labels=labels), template=alike)
        other = ReplicaSet(metadata=ObjectMeta(name=probe.metadata.name, namespace="ns"), spec=stranger)
        await w.client.create(other)
        await w.client.create(deployment(1))
        await w.rest()
        held = await get(w)
        assert held.status.collision_count == 1
        assert len(await w.all(ReplicaSet)) == 2


def test_scaling_keeps_proportions() -> None:
    """10 replicas with surge 3 and unavailable 2, caught in the middle at 8 old and 5 new, go to 15: 11 and 7."""
    one = deployment(10, surge=3, unavailable=2)
    old = _set("old", "v1", 8, 8, 10, 13, "2026-01-01T00:00:00Z")
    new = _set("new", "v2", 5, 0, 10, 13, "2026-01-01T00:00:01Z")
    grown = with_spec(one, replicas=15)
    assert sizes.scale(grown, new, [old]) == {"old": 11, "new": 7}


def _set(name: str, image: str, size: int, available: int, desired: int, most: int, born: str) -> ReplicaSet:
    probe = decide(deployment(1, image), [], {}, 0).create
    assert probe is not None
    meta = replace(
        probe.metadata,
        name=name,
        uid=name,
        creation_timestamp=born,
        annotations={
            "deployment.kubernetes.io/desired-replicas": str(desired),
            "deployment.kubernetes.io/max-replicas": str(most),
        },
    )
    status = replace(probe.status, replicas=size, available_replicas=available, ready_replicas=available)
    return replace(probe, metadata=meta, spec=replace(probe.spec, replicas=size), status=status)


amounts = st.one_of(st.integers(0, 5), st.integers(0, 100).map(lambda n: f"{n}%"))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), amounts, amounts, st.data())
def test_never_too_many_and_never_too_few(
    replicas: int, surge: int | str, unavailable: int | str, data: st.DataObject
) -> None:
    """From a healthy Deployment through changed templates, with pods that come and fail as they like: the sum of sizes
    never passes replicas + surge, and no step takes away pods that availability needs."""
    current = deployment(replicas, "v0", surge, unavailable)
    held: dict[str, ReplicaSet] = {}
    up, down = sizes.bounds(current)
    for number in range(data.draw(st.integers(5, 25), label="steps")):
        if data.draw(st.integers(0, 5), label="change") == 0:
            current = with_spec(current, template=template(f"v{number}"))
        before = sum(min(rs.status.available_replicas, wanted(rs)) for rs in held.values())
        plan = decide(current, list(held.values()), {}, 0.0)
        if plan.create is not None:
            meta = replace(plan.create.metadata, uid=f"u{number}", creation_timestamp=f"2026-01-01T00:00:{number:02}Z")
            held[meta.name] = replace(plan.create, metadata=meta)
        for rs in plan.update:
            held[rs.metadata.name] = rs
        if plan.status is not None:
            current = replace(current, status=plan.status)
        after = sum(min(rs.status.available_replicas, wanted(rs)) for rs in held.values())
        assert sizes.total(held.values()) <= replicas + up
        assert after >= min(before, replicas - down)
        for name, rs in held.items():
            limit = wanted(rs)
            kept = data.draw(st.integers(0, limit), label="available")
            status = replace(rs.status, replicas=limit, available_replicas=kept, ready_replicas=kept)
            held[name] = replace(rs, status=status)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), amounts, amounts)
def test_always_arrives(replicas: int, surge: int | str, unavailable: int | str) -> None:
    """With pods that become available, a rollout comes to its end."""
    current = deployment(replicas, "v0", surge, unavailable)
    held: dict[str, ReplicaSet] = {}
    for number in range(80):
        if number == 30:
            current = with_spec(current, template=template("v1"))
        plan = decide(current, list(held.values()), {}, 0.0)
        if plan.create is not None:
            meta = replace(
                plan.create.metadata, uid=f"u{number}", creation_timestamp=f"2026-01-01T00:00:{number % 60:02}Z"
            )
            held[meta.name] = replace(plan.create, metadata=meta)
        for rs in plan.update:
            held[rs.metadata.name] = rs
        if plan.status is not None:
            current = replace(current, status=plan.status)
        for name, rs in held.items():
            status = replace(rs.status, replicas=wanted(rs), available_replicas=wanted(rs), ready_replicas=wanted(rs))
            held[name] = replace(rs, status=status)
    assert sorted(map(wanted, held.values())) == [0, replicas]
