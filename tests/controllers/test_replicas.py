"""ReplicaSets and ReplicationControllers, on the fake cluster."""

from __future__ import annotations

from pilothouse.api import errors
from pilothouse.api.types.apps.v1 import ReplicaSet, ReplicaSetSpec
from pilothouse.api.types.core.v1 import (
    Container,
    Pod,
    PodCondition,
    PodSpec,
    PodTemplateSpec,
    ReplicationController,
    ReplicationControllerSpec,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.controllers.pod_control import with_meta, with_spec
from pilothouse.testing.clock import VirtualClock
from tests.controllers.tapped import Request
from tests.controllers.world import World, world

LABELS = {"app": "web"}
TEMPLATE = PodTemplateSpec(
    metadata=ObjectMeta(labels=LABELS), spec=PodSpec(containers=(Container(name="c", image="i"),))
)
NAMES = ("replicaset-controller", "replicationcontroller-controller")


def replica_set(replicas: int, **spec: object) -> ReplicaSet:
    return ReplicaSet(
        metadata=ObjectMeta(name="web", namespace="ns"),
        spec=ReplicaSetSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels=LABELS),
            template=TEMPLATE,
            **spec,  # type: ignore[arg-type]
        ),
    )


async def ready(w: World, pod: Pod) -> None:
    condition = PodCondition(type="Ready", status="True", last_transition_time="2026-01-01T00:00:00Z")
    await w.status(pod, phase="Running", conditions=(condition,))


async def test_makes_counts_and_removes_pods(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        made = await w.client.create(replica_set(3))
        await w.rest()
        pods = await w.all(Pod)
        assert len(pods) == 3
        assert all(p.metadata.name.startswith("web-") and p.metadata.labels == LABELS for p in pods)
        assert pods[0].metadata.owner_references[0].uid == made.metadata.uid
        assert ("SuccessfulCreate", f"Created pod: {pods[0].metadata.name}") in await w.events()
        await ready(w, pods[1])
        await w.rest()
        (held,) = await w.all(ReplicaSet)
        status = held.status
        assert (status.replicas, status.fully_labeled_replicas, status.ready_replicas) == (3, 3, 1)
        assert (status.available_replicas, status.observed_generation) == (1, 1)
        await w.client.update(with_spec(held, replicas=1))
        await w.rest()
        assert [p.metadata.name for p in await w.all(Pod)] == [pods[1].metadata.name]
        await w.client.delete(Pod, pods[1].metadata.name, "ns")
        await w.rest()
        assert len(await w.all(Pod)) == 1


async def test_adopts_releases_and_leaves_others_alone(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(
            Pod(metadata=ObjectMeta(name="orphan", namespace="ns", labels=LABELS), spec=TEMPLATE.spec)
        )
        await w.client.create(replica_set(1))
        await w.rest()
        (pod,) = await w.all(Pod)
        assert pod.metadata.owner_references[0].name == "web"
        await w.client.update(with_meta(pod, labels={"app": "debug"}))
        await w.rest()
        pods = {p.metadata.name: p for p in await w.all(Pod)}
        assert len(pods) == 2
        assert pods["orphan"].metadata.owner_references == ()


async def test_available_after_min_ready_seconds(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(replica_set(1, min_ready_seconds=30))
        await w.rest()
        await ready(w, (await w.all(Pod))[0])
        await w.rest()
        assert (await w.all(ReplicaSet))[0].status.available_replicas == 0
        await clock.advance(30)
        assert (await w.all(ReplicaSet))[0].status.available_replicas == 1


async def test_refused_pods_show_in_condition_and_start_slowly(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        tries: list[float] = []

        def refuse(request: Request) -> errors.StatusError | None:
            if request.verb == "create" and request.resource == "pods":
                tries.append(clock.monotonic())
                return errors.forbidden("", "pods", "x", "exceeded quota")
            return None

        w.tap.refuse.append(refuse)
        await w.client.create(replica_set(10))
        await clock.settle()
        # One pod a round is tried, not ten; the condition written after the first round begins a second.
        assert len(tries) == 2
        (held,) = await w.all(ReplicaSet)
        (condition,) = held.status.conditions
        assert (condition.type, condition.status, condition.reason) == ("ReplicaFailure", "True", "FailedCreate")
        assert "exceeded quota" in condition.message
        w.tap.refuse.clear()
        await clock.advance(5)
        assert len(await w.all(Pod)) == 10
        assert (await w.all(ReplicaSet))[0].status.conditions == ()


async def test_replication_controller(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(
            ReplicationController(
                metadata=ObjectMeta(name="rc", namespace="ns"),
                spec=ReplicationControllerSpec(replicas=2, selector=LABELS, template=TEMPLATE),
            )
        )
        await w.rest()
        assert len(await w.all(Pod)) == 2
        assert (await w.all(ReplicationController))[0].status.replicas == 2
