"""Makes the claims of pods' generic ephemeral volumes; they belong to the pod and go with it."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core.v1 import PersistentVolumeClaim, Pod, Volume
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of
from pilothouse.machinery.events import WARNING
from pilothouse.semantics.ownership import controller_reference, is_controlled_by
from pilothouse.semantics.pods import is_active

IDENTITY = "ephemeral-volume-controller"


def claim_for(pod: Pod, volume: Volume) -> PersistentVolumeClaim | None:
    """The claim of an ephemeral volume; None for volumes of other kinds."""
    template = volume.ephemeral.volume_claim_template if volume.ephemeral is not None else None
    if template is None:
        return None
    return PersistentVolumeClaim(
        metadata=ObjectMeta(
            name=f"{pod.metadata.name}-{volume.name}",
            namespace=pod.metadata.namespace,
            labels=template.metadata.labels,
            annotations=template.metadata.annotations,
            owner_references=(controller_reference(pod),),
        ),
        spec=template.spec,
    )


def build(env: Environment) -> Controller[Key]:
    """Keys are pods."""
    recorder = env.recorder("ephemeral_volume", IDENTITY)

    async def reconcile(key: Key, client: Client) -> None:
        pod = pods.get(key[1], key[0])
        if pod is None or not is_active(pod):
            return
        for volume in pod.spec.volumes:
            wanted = claim_for(pod, volume)
            if wanted is None:
                continue
            held = claims.get(wanted.metadata.name, key[0])
            if held is None:
                await client.create(wanted)
            elif not is_controlled_by(held.metadata, pod):
                where = f"{key[0]}/{wanted.metadata.name}"
                text = f'PVC "{where}" was not created for pod "{key[0]}/{key[1]}" (pod is not owner)'
                recorder.event(pod, WARNING, "EphemeralVolumeCreationFailed", text)

    def pod_changed(old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if new is None or not any(v.ephemeral is not None for v in new.spec.volumes):
            return ()
        return (key_of(new),) if old is None else ()

    def claim_gone(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterable[Key]:
        if new is not None or old is None:
            return ()
        return [(old.metadata.namespace, r.name) for r in old.metadata.owner_references if r.kind == "Pod"]

    controller = env.controller(IDENTITY, IDENTITY, reconcile, workers=1)
    claims = controller.on(PersistentVolumeClaim, claim_gone)
    pods = controller.on(Pod, pod_changed)
    return controller
