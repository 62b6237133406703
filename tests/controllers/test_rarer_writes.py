"""Writes that controllers seldom make: they put back what others took away, and tell what was lost or collides."""

from __future__ import annotations

import msgspec

from pilothouse.api import errors
from pilothouse.api.types.apps.v1 import (
    ControllerRevision,
    DaemonSet,
    Deployment,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
)
from pilothouse.api.types.core.v1 import Node, PersistentVolume, PersistentVolumeClaim, PersistentVolumeStatus, Pod
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.storage.v1 import StorageClass, VolumeAttributesClass
from pilothouse.controllers import history
from pilothouse.controllers.pod_control import with_meta, with_spec
from pilothouse.semantics.conditions import find
from pilothouse.testing.clock import VirtualClock
from tests.controllers import test_daemonset as daemons
from tests.controllers import test_statefulset as sets
from tests.controllers.tapped import Request
from tests.controllers.test_deployment import deployment
from tests.controllers.test_nodes import node
from tests.controllers.test_small import claim, volume
from tests.controllers.world import world

replace = msgspec.structs.replace


async def test_finalizers_that_protect_are_put_back(clock: VirtualClock) -> None:
    names = (
        "persistentvolumeclaim-protection-controller",
        "persistentvolume-protection-controller",
        "volumeattributesclass-protection-controller",
    )
    async with world(clock, names) as w:
        protected = [
            await w.client.create(claim("1Gi")),
            await w.client.create(replace(volume("v", "1Gi"), status=PersistentVolumeStatus())),
            await w.client.create(
                VolumeAttributesClass(metadata=ObjectMeta(name="c"), driver_name="d", parameters={"a": "b"})
            ),
        ]
        await w.rest()
        for obj in protected:
            held = await w.client.get(type(obj), obj.metadata.name, obj.metadata.namespace)
            assert held.metadata.finalizers
            await w.client.update(with_meta(held, finalizers=()))
            await w.rest()
            assert (await w.client.get(type(obj), obj.metadata.name, obj.metadata.namespace)).metadata.finalizers


async def test_claim_that_lost_its_volume_and_one_that_waits_for_a_provisioner(clock: VirtualClock) -> None:
    async with world(clock, ("persistentvolume-binder-controller",)) as w:
        await w.client.create(StorageClass(metadata=ObjectMeta(name="slow"), provisioner="example.com/p"))
        await w.client.create(with_meta(with_spec(claim("1Gi"), storage_class_name="slow"), name="waits"))
        await w.client.create(replace(volume("v", "1Gi"), status=PersistentVolumeStatus()))
        await w.client.create(claim("1Gi"))
        await w.rest()
        waits = await w.client.get(PersistentVolumeClaim, "waits", "ns")
        assert waits.metadata.annotations["volume.kubernetes.io/storage-provisioner"] == "example.com/p"
        bound = await w.client.get(PersistentVolume, "v")
        await w.client.update(with_meta(bound, finalizers=()))
        await w.client.delete(PersistentVolume, "v")
        await w.rest()
        assert (await w.client.get(PersistentVolumeClaim, "data", "ns")).status.phase == "Lost"


async def test_revisions_come_back_go_and_collide(clock: VirtualClock) -> None:
    async with world(clock, daemons.NAMES) as w:
        await w.client.create(with_spec(daemons.daemon_set(), revision_history_limit=1))
        await w.rest()
        for image in ("v2", "v1", "v3", "v4"):
            held = await w.client.get(DaemonSet, "agent", "ns")
            await w.client.update(with_spec(held, template=daemons.template(image)))
            await w.rest()
        revisions = sorted(r.revision for r in await w.all(ControllerRevision))
        assert revisions[-1] == 5  # v1, v2, v1 again, v3, v4
        assert len(revisions) < 4
        held = await w.client.get(DaemonSet, "agent", "ns")
        later = with_spec(held, template=daemons.template("v9"))
        # With its defaults, as the server has it: they are in the hash that makes the name.
        meta = ObjectMeta(name="agent-dry", namespace="ns", annotations=held.metadata.annotations)
        seen = await w.client.create(replace(later, metadata=meta), dry_run=True)
        taken = history.decide(with_meta(seen, name="agent", uid=held.metadata.uid), []).current
        meta = ObjectMeta(name=taken.metadata.name, namespace="ns")
        await w.client.create(ControllerRevision(metadata=meta, data={"other": True}, revision=1))
        await w.client.update(later)
        await w.rest()
        assert (await w.client.get(DaemonSet, "agent", "ns")).status.collision_count == 1


async def test_claim_in_a_phase_that_cannot_be_becomes_pending(clock: VirtualClock) -> None:
    async with world(clock, ("persistentvolume-binder-controller",)) as w:
        made = await w.client.create(claim("1Gi"))
        await w.rest()
        await w.status(made, phase="Lost")
        await w.rest()
        assert (await w.client.get(PersistentVolumeClaim, "data", "ns")).status.phase == "Pending"


async def test_pod_of_a_stateful_set_gets_its_label_and_its_claim_an_owner(clock: VirtualClock) -> None:
    async with world(clock, sets.NAMES) as w:
        await w.client.create(sets.stateful_set(1, volume_claim_templates=(sets.claim("data", namespace=""),)))
        await sets.live(w)
        pod = await w.client.get(Pod, "db-0", "ns")
        await w.client.update(with_meta(pod, labels=sets.LABELS))
        await w.rest()
        label = "statefulset.kubernetes.io/pod-name"
        assert (await w.client.get(Pod, "db-0", "ns")).metadata.labels[label] == "db-0"
        held = await w.client.get(StatefulSet, "db", "ns")
        policy = StatefulSetPersistentVolumeClaimRetentionPolicy(when_deleted="Delete", when_scaled="Retain")
        await w.client.update(with_spec(held, persistent_volume_claim_retention_policy=policy))
        await w.rest()
        (owned,) = await w.all(PersistentVolumeClaim)
        assert [r.kind for r in owned.metadata.owner_references] == ["StatefulSet"]


async def test_deployment_tells_why_it_makes_no_replica_set(clock: VirtualClock) -> None:
    async with world(clock, ("deployment-controller",)) as w:

        def refuse(request: Request) -> errors.StatusError | None:
            if (request.verb, request.resource) == ("create", "replicasets"):
                return errors.forbidden("apps", "replicasets", "x", "exceeded quota")
            return None

        w.tap.refuse.append(refuse)
        await w.client.create(deployment(1))
        await w.rest()
        told = find((await w.client.get(Deployment, "web", "ns")).status.conditions, "Progressing")
        assert told is not None
        assert (told.status, told.reason) == ("False", "ReplicaSetCreateError")


async def test_old_labels_of_nodes_follow_the_new(clock: VirtualClock) -> None:
    async with world(clock, ("node-lifecycle-controller",)) as w:
        await w.put(with_meta(node("a"), labels={"kubernetes.io/os": "linux"}))
        await w.rest()
        assert (await w.client.get(Node, "a")).metadata.labels["beta.kubernetes.io/os"] == "linux"
