"""StatefulSets: names in order, one after another, rolled from the top."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.api.quantity import parse
from pilothouse.api.time import parse_time
from pilothouse.api.types.apps.v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetOrdinals,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
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
    PodStatus,
    PodTemplateSpec,
    VolumeResourceRequirements,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta, OwnerReference
from pilothouse.controllers.pod_control import with_meta, with_spec
from pilothouse.controllers.statefulset import retention
from pilothouse.controllers.statefulset.decide import Revisions, decide, uses_update
from pilothouse.controllers.statefulset.identity import REVISION_LABEL, ordinal_of
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, untouched, world

LABELS = {"app": "db"}
NAMES = ("statefulset-controller",)
replace = msgspec.structs.replace


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


def ordinal_set(replicas: int, start: int = 0, partition: int = 0, kind: str = "RollingUpdate", **spec: object) -> Any:
    made = stateful_set(replicas, partition, ordinals=StatefulSetOrdinals(start=start), **spec)
    if kind == "RollingUpdate":
        return made
    return with_spec(made, update_strategy=StatefulSetUpdateStrategy(type=kind))


def member(ordinal: int, state: str = "ready", revision: str = "old") -> Pod:
    """A pod of the set: `ready`, `unready`, `failed`, `leaving` (ready, being deleted)."""
    ready = "False" if state == "unready" else "True"
    condition = PodCondition(type="Ready", status=ready, last_transition_time="2026-01-01T00:00:00Z")
    gone = "2026-01-01T00:00:00Z" if state == "leaving" else None
    meta = ObjectMeta(
        name=f"db-{ordinal}", uid=f"u{ordinal}", labels={REVISION_LABEL: revision}, deletion_timestamp=gone
    )
    return Pod(
        metadata=meta, status=PodStatus(phase="Failed" if state == "failed" else "Running", conditions=(condition,))
    )


REVISIONS = Revisions("old", "new")
NOW = parse_time("2026-01-02T00:00:00Z")
SPREAD = {"pod_management_policy": "Parallel"}


@pytest.mark.parametrize(
    ("owner", "pods", "create", "delete"),
    [
        (ordinal_set(3), [], [0], []),
        (ordinal_set(3), [member(0)], [1], []),
        (ordinal_set(3), [member(0, "unready")], [], []),
        (ordinal_set(3), [member(0, "leaving")], [], []),
        (ordinal_set(3), [member(0), member(1, "failed")], [], [1]),
        (ordinal_set(3, start=5), [member(5)], [6], []),
        (ordinal_set(3, **SPREAD), [member(1)], [0, 2], []),
        # Scaling down: one at a time, from the top, and never past an unwell pod that is not the lowest unwell one.
        (ordinal_set(1), [member(0), member(1), member(2)], [], [2]),
        (ordinal_set(1), [member(0), member(1), member(2, "leaving")], [], []),
        (ordinal_set(1), [member(0), member(1), member(2, "unready")], [], [2]),
        (ordinal_set(1), [member(0), member(1, "unready"), member(2, "unready")], [], []),
        (ordinal_set(1), [member(0), member(1, "unready"), member(2)], [], [2]),
        (ordinal_set(0), [member(n, "unready") for n in range(3)], [], []),
        (ordinal_set(0), [member(0, "unready")], [], [0]),
        (ordinal_set(0, **SPREAD), [member(n, "unready") for n in range(3)], [], [2, 1, 0]),
        (ordinal_set(1, start=2), [member(0), member(2)], [], [0]),
        # Rolling: from the top down to the partition, which counts from the first ordinal.
        (ordinal_set(3), [member(0), member(1), member(2)], [], [2]),
        (ordinal_set(3), [member(0), member(1), member(2, "ready", "new")], [], [1]),
        (ordinal_set(3, **SPREAD), [member(0), member(1), member(2, "unready", "new")], [], []),
        (ordinal_set(3, **SPREAD), [member(0), member(1), member(2, "unready")], [], [2]),
        (ordinal_set(2, start=5, partition=1), [member(5), member(6)], [], [6]),
        (ordinal_set(2, start=5, partition=1), [member(5), member(6, "ready", "new")], [], []),
        (ordinal_set(2, kind="OnDelete"), [member(0), member(1)], [], []),
        (ordinal_set(2, kind="OnDelete"), [member(0)], [1], []),
    ],
)
def test_the_next_step(owner: StatefulSet, pods: list[Pod], create: list[int], delete: list[int]) -> None:
    plan = decide(owner, pods, REVISIONS, NOW)
    assert plan.create == create
    assert [ordinal_of(owner, p) for p in plan.delete] == delete


@pytest.mark.parametrize(
    ("limit", "states", "delete"),
    [(2, ["ready"] * 4, [3, 2]), (2, ["unready", "ready", "ready", "ready"], [3]), ("50%", ["ready"] * 5, [4, 3]),
     ("1%", ["ready"] * 4, [3]), (None, ["ready"] * 2, [1])],
)  # fmt: skip
def test_max_unavailable_only_where_its_gate_is_on(limit: Any, states: list[str], delete: list[int]) -> None:
    rolling = RollingUpdateStatefulSetStrategy(partition=0, max_unavailable=limit)
    strategy = StatefulSetUpdateStrategy(type="RollingUpdate", rolling_update=rolling)
    owner = with_spec(stateful_set(len(states), **SPREAD), update_strategy=strategy)
    pods = [member(n, state) for n, state in enumerate(states)]
    gated = decide(owner, pods, REVISIONS, NOW, max_unavailable=True)
    assert [ordinal_of(owner, p) for p in gated.delete] == delete
    plain = decide(owner, pods, REVISIONS, NOW)
    assert [ordinal_of(owner, p) for p in plain.delete] == [len(states) - 1]


@pytest.mark.parametrize(
    ("owner", "ordinal", "updated"),
    [(ordinal_set(3, partition=1), 0, False), (ordinal_set(3, partition=1), 1, True),
     (ordinal_set(3, start=5, partition=1), 5, False), (ordinal_set(3, start=5, partition=1), 6, True),
     (ordinal_set(3, kind="OnDelete"), 0, True)],
)  # fmt: skip
def test_which_template_a_pod_is_made_by(owner: StatefulSet, ordinal: int, updated: bool) -> None:
    assert uses_update(owner, ordinal, REVISIONS) is updated


async def live(w: World, rounds: int = 1) -> None:
    for _ in range(rounds):
        await w.rest()
        for pod in await w.all(Pod):
            if untouched(pod):
                condition = PodCondition(type="Ready", status="True", last_transition_time="2026-01-01T00:00:00Z")
                await w.status(pod, phase="Running", conditions=(condition,))
    await w.rest()


def claim(name: str, namespace: str = "ns", **meta: Any) -> PersistentVolumeClaim:
    wants = VolumeResourceRequirements(requests={"storage": parse("1Gi")})
    spec = PersistentVolumeClaimSpec(access_modes=("ReadWriteOnce",), resources=wants)
    return PersistentVolumeClaim(metadata=ObjectMeta(name=name, namespace=namespace, **meta), spec=spec)


async def images(w: World) -> dict[str, str]:
    return {p.metadata.name: (p.spec.containers or ())[0].image for p in await w.all(Pod)}


async def get(w: World) -> StatefulSet:
    return await w.client.get(StatefulSet, "db", "ns")


async def test_comes_in_order_with_its_claims_and_goes_in_reverse(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(stateful_set(3, volume_claim_templates=(claim("data", namespace=""),)))
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


async def test_scaling_down_halts_at_unhealthy_pods(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(stateful_set(3))
        await live(w, 3)
        unready = PodCondition(type="Ready", status="False", last_transition_time="2026-01-01T00:00:00Z")
        for pod in await w.all(Pod):
            await w.status(pod, conditions=(unready,))
        await w.client.update(with_spec(await get(w), replicas=0))
        await clock.advance(60)
        assert set(await images(w)) == {"db-0", "db-1", "db-2"}
        ready = PodCondition(type="Ready", status="True", last_transition_time="2026-01-01T00:00:00Z")
        for pod in await w.all(Pod):
            await w.status(pod, conditions=(ready,))
        await w.rest()
        assert not await images(w)


async def test_a_pod_of_an_on_delete_set_comes_back_with_the_new_template(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(ordinal_set(2, kind="OnDelete"))
        await live(w, 2)
        await w.client.update(with_spec(await get(w), template=template("v2")))
        await live(w, 2)
        assert await images(w) == {"db-0": "v1", "db-1": "v1"}
        await w.client.delete(Pod, "db-0", "ns")
        await live(w, 2)
        assert await images(w) == {"db-0": "v2", "db-1": "v1"}


def retaining(deleted: str, scaled: str, replicas: int = 2) -> StatefulSet:
    policy = StatefulSetPersistentVolumeClaimRetentionPolicy(when_deleted=deleted, when_scaled=scaled)
    made = stateful_set(
        replicas,
        volume_claim_templates=(claim("data", namespace=""),),
        persistent_volume_claim_retention_policy=policy,
        **SPREAD,
    )
    return replace(made, metadata=replace(made.metadata, uid="set"))


def reference(kind: str, name: str, uid: str, *, controller: bool | None = True) -> OwnerReference:
    version = {"StatefulSet": "apps/v1", "Pod": "v1"}.get(kind, "example.com/v1")
    return OwnerReference(
        api_version=version, kind=kind, name=name, uid=uid, controller=controller,
        block_owner_deletion=True if controller else None,
    )  # fmt: skip


OF_SET, OF_POD_0, OF_POD_2 = (
    reference("StatefulSet", "db", "set"),
    reference("Pod", "db-0", "u0"),
    reference("Pod", "db-2", "u2"),
)
OTHER = reference("Backup", "b", "b")
PLAIN = reference("Backup", "b", "b", controller=None)


@pytest.mark.parametrize(
    ("policy", "ordinal", "held", "expected"),
    [
        (("Retain", "Retain"), 0, (), None),
        (("Retain", "Retain"), 0, (OF_SET,), ()),
        (("Retain", "Retain"), 0, (OTHER,), None),
        (("Delete", "Retain"), 0, (), (OF_SET,)),
        (("Delete", "Retain"), 0, (OF_SET,), None),
        (("Delete", "Retain"), 0, (PLAIN,), (PLAIN, OF_SET)),
        (("Delete", "Retain"), 2, (OF_POD_2, OF_SET), (OF_SET,)),
        (("Retain", "Delete"), 0, (), None),
        (("Retain", "Delete"), 0, (OF_POD_0,), ()),
        (("Retain", "Delete"), 2, (), (OF_POD_2,)),
        (("Delete", "Delete"), 0, (), (OF_SET,)),
        (("Delete", "Delete"), 2, (OF_SET,), (OF_POD_2,)),
        (("Delete", "Delete"), 2, (OF_POD_2,), None),
        (("Delete", "Retain"), 0, (reference("StatefulSet", "db", "set", controller=None),), (OF_SET,)),
        # Another controller has it: it is never taken over, and what is ours is taken away.
        (("Delete", "Delete"), 0, (OTHER,), None),
        (("Delete", "Delete"), 0, (OTHER, OF_SET), (OTHER,)),
        # It belonged to an earlier set or pod of the same name.
        (("Delete", "Delete"), 0, (reference("StatefulSet", "db", "earlier"),), None),
        (("Delete", "Delete"), 0, (reference("Pod", "db-0", "earlier"),), None),
    ],
)
def test_owners_of_a_claim(
    policy: tuple[str, str], ordinal: int, held: tuple[OwnerReference, ...], expected: tuple[OwnerReference, ...] | None
) -> None:
    held_claim = claim(f"data-db-{ordinal}", owner_references=held)
    assert retention.owners(retaining(*policy), held_claim, member(ordinal)) == expected


async def test_never_takes_over_a_claim_that_another_controller_has(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(claim("data-db-0", owner_references=(OTHER,)))
        await w.client.create(retaining("Delete", "Delete", 1))
        await live(w)
        found = await w.client.get(PersistentVolumeClaim, "data-db-0", "ns")
        assert found.metadata.owner_references == (OTHER,)
        assert (
            "ConflictingController",
            "PersistentVolumeClaim data-db-0 has a conflicting OwnerReference that acts as a managing controller, the "
            "retention policy is ignored for this claim",
        ) in await w.events()


async def test_waits_for_a_claim_that_goes_with_an_earlier_pod(clock: VirtualClock) -> None:
    async with world(clock, (*NAMES, "persistentvolumeclaim-protection-controller")) as w:
        earlier = reference("Pod", "db-0", "earlier")
        await w.client.create(claim("data-db-0", owner_references=(earlier,)))
        await w.client.create(retaining("Retain", "Delete", 1))
        await clock.advance(30)
        assert not await w.all(Pod)
        await w.client.delete(PersistentVolumeClaim, "data-db-0", "ns")
        await w.rest()
        assert len(await w.all(Pod)) == 1


async def test_waits_for_a_claim_that_is_being_deleted(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(claim("data-db-0", finalizers=("example.com/wait",)))
        await w.client.delete(PersistentVolumeClaim, "data-db-0", "ns")
        await w.client.create(retaining("Retain", "Retain", 1))
        await w.rest()
        assert not await w.all(Pod)
        text = "create Pod db-0 in StatefulSet db failed error: pvc data-db-0 is being deleted"
        assert ("FailedCreate", text) in await w.events()
        found = await w.client.get(PersistentVolumeClaim, "data-db-0", "ns")
        await w.client.update(with_meta(found, finalizers=()))
        await clock.advance(10)
        assert len(await w.all(Pod)) == 1
