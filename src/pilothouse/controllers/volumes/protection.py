"""Claims stay while a pod uses them, volumes while a claim is bound to them: finalizers see to it."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core.v1 import PersistentVolume, PersistentVolumeClaim, Pod
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.pod_control import with_meta
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, own_key
from pilothouse.semantics.pods import is_terminal

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"
INDEX = "claim"


def claims_of(pod: Pod) -> list[str]:
    """Names of the claims that a pod uses, those made for its ephemeral volumes included."""
    found = []
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            found.append(volume.persistent_volume_claim.claim_name)
        elif volume.ephemeral is not None:
            found.append(f"{pod.metadata.name}-{volume.name}")
    return found


def by_claim(pod: Pod) -> Iterable[str]:
    """Index of pods by `namespace/claim`."""
    return [f"{pod.metadata.namespace}/{name}" for name in claims_of(pod)]


def in_use(pods: Iterable[Pod]) -> bool:
    """Whether any of these pods, which name the claim, is on a node and has not ended."""
    return any(p.spec.node_name and not is_terminal(p) for p in pods)


def build_claims(env: Environment) -> Controller[Key]:
    """Keys are claims."""

    async def reconcile(key: Key, client: Client) -> None:
        claim = claims.get(key[1], key[0])
        if claim is None:
            return
        held = claim.metadata.finalizers
        if claim.metadata.deletion_timestamp is None:
            if CLAIM_FINALIZER not in held:
                await client.update(with_meta(claim, finalizers=(*held, CLAIM_FINALIZER)))
        elif CLAIM_FINALIZER in held and not in_use(pods.by_index(INDEX, f"{key[0]}/{key[1]}")):
            await client.update(with_meta(claim, finalizers=tuple(f for f in held if f != CLAIM_FINALIZER)))

    def pod_changed(old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if new is not None and not is_terminal(new):
            return ()
        found = new if new is not None else old
        assert found is not None
        return [(found.metadata.namespace, name) for name in claims_of(found)]

    identity = "pvc-protection-controller"
    controller = env.controller("persistentvolumeclaim-protection-controller", identity, reconcile, workers=1)
    claims = controller.on(PersistentVolumeClaim, own_key)
    pods = controller.on(Pod, pod_changed)
    pods.add_index(INDEX, by_claim)
    return controller


def build_volumes(env: Environment) -> Controller[Key]:
    """Keys are volumes."""

    async def reconcile(key: Key, client: Client) -> None:
        volume = volumes.get(key[1])
        if volume is None:
            return
        held = volume.metadata.finalizers
        if volume.metadata.deletion_timestamp is None:
            if VOLUME_FINALIZER not in held:
                await client.update(with_meta(volume, finalizers=(*held, VOLUME_FINALIZER)))
        elif VOLUME_FINALIZER in held and volume.status.phase != "Bound":
            await client.update(with_meta(volume, finalizers=tuple(f for f in held if f != VOLUME_FINALIZER)))

    identity = "pv-protection-controller"
    controller = env.controller("persistentvolume-protection-controller", identity, reconcile, workers=1)
    volumes = controller.on(PersistentVolume, own_key)
    return controller
