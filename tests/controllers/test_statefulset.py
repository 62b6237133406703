"""StatefulSets: names in order, one after another, rolled from the top."""

from __future__ import annotations

from pilothouse.api.quantity import parse
from pilothouse.api.types.apps.v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from pilothouse.api.types.core.v1 import (
    Container,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    Pod,
    PodCondition,
    PodSpec,
    PodTemplateSpec,
    VolumeResourceRequirements,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.controllers.pod_control import with_spec
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, untouched, world

LABELS = {"app": "db"}
NAMES = ("statefulset-controller",)


def template(image: str) -> PodTemplateSpec:
    containers = (Container(name="c", image=image),)
    return PodTemplateSpec(metadata=ObjectMeta(labels=LABELS), spec=PodSpec(containers=containers))


def stateful_set(replicas: int, partition: int = 0, **spec: object) -> StatefulSet:
    rolling = RollingUpdateStatefulSetStrategy(partition=partition)
    return StatefulSet(
        metadata=ObjectMeta(name="db", namespace="ns"),
        spec=StatefulSetSpec(
            replicas=replicas,
            selector=LabelSelector(match_labels=LABELS),
            template=template("v1"),
            service_name="db",
            update_strategy=StatefulSetUpdateStrategy(type="RollingUpdate", rolling_update=rolling),
            **spec,  # type: ignore[arg-type]
        ),
    )


async def live(w: World, rounds: int = 1) -> None:
    for _ in range(rounds):
        await w.rest()
        for pod in await w.all(Pod):
            if untouched(pod):
                condition = PodCondition(type="Ready", status="True", last_transition_time="2026-01-01T00:00:00Z")
                await w.status(pod, phase="Running", conditions=(condition,))
    await w.rest()


async def images(w: World) -> dict[str, str]:
    return {p.metadata.name: (p.spec.containers or ())[0].image for p in await w.all(Pod)}


async def get(w: World) -> StatefulSet:
    return await w.client.get(StatefulSet, "db", "ns")


async def test_comes_in_order_with_its_claims_and_goes_in_reverse(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        wants = VolumeResourceRequirements(requests={"storage": parse("1Gi")})
        spec = PersistentVolumeClaimSpec(access_modes=("ReadWriteOnce",), resources=wants)
        claim = PersistentVolumeClaim(metadata=ObjectMeta(name="data"), spec=spec)
        await w.client.create(stateful_set(3, volume_claim_templates=(claim,)))
        await w.rest()
        assert await images(w) == {"db-0": "v1"}
        await live(w, 3)
        assert await images(w) == {"db-0": "v1", "db-1": "v1", "db-2": "v1"}
        assert sorted(c.metadata.name for c in await w.all(PersistentVolumeClaim)) == [
            "data-db-0",
            "data-db-1",
            "data-db-2",
        ]
        pod = await w.client.get(Pod, "db-1", "ns")
        assert (pod.spec.hostname, pod.spec.subdomain) == ("db-1", "db")
        assert pod.metadata.labels["statefulset.kubernetes.io/pod-name"] == "db-1"
        assert pod.spec.volumes[0].persistent_volume_claim is not None
        status = (await get(w)).status
        assert (status.replicas, status.ready_replicas, status.current_replicas) == (3, 3, 3)
        assert status.current_revision == status.update_revision != ""
        await w.client.update(with_spec(await get(w), replicas=1))
        await w.rest()
        assert set(await images(w)) == {"db-0"}
        assert len(await w.all(PersistentVolumeClaim)) == 3
        assert ("SuccessfulCreate", "create Pod db-0 in StatefulSet db successful") in await w.events()


async def test_rolls_from_the_top_down_to_the_partition(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(stateful_set(3, partition=1))
        await live(w, 3)
        await w.client.update(with_spec(await get(w), template=template("v2")))
        await w.rest()
        assert await images(w) == {"db-0": "v1", "db-1": "v1", "db-2": "v2"}
        await live(w, 3)
        assert await images(w) == {"db-0": "v1", "db-1": "v2", "db-2": "v2"}
        status = (await get(w)).status
        assert (status.current_replicas, status.updated_replicas) == (1, 2)
        await w.client.delete(Pod, "db-0", "ns")
        await live(w, 2)
        assert (await images(w))["db-0"] == "v1"
        rolling = RollingUpdateStatefulSetStrategy(partition=0)
        strategy = StatefulSetUpdateStrategy(type="RollingUpdate", rolling_update=rolling)
        await w.client.update(with_spec(await get(w), update_strategy=strategy))
        await live(w, 3)
        assert set((await images(w)).values()) == {"v2"}
        status = (await get(w)).status
        assert status.current_revision == status.update_revision


async def test_parallel_does_not_wait(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(stateful_set(3, pod_management_policy="Parallel"))
        await w.rest()
        assert len(await w.all(Pod)) == 3


async def test_failed_pod_is_made_again_under_its_name(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(stateful_set(1))
        await live(w)
        (pod,) = await w.all(Pod)
        await w.status(pod, phase="Failed")
        await w.rest()
        (again,) = await w.all(Pod)
        assert again.metadata.name == "db-0"
        assert again.metadata.uid != pod.metadata.uid
