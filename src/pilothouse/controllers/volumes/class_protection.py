"""A VolumeAttributesClass stays while a claim or a volume names it: a finalizer sees to it (KEP-3751)."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core.v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import VolumeAttributesClass
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.pod_control import with_meta
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, own_key

FINALIZER = "kubernetes.io/vac-protection"
INDEX = "class"


def of_claim(claim: PersistentVolumeClaim) -> Iterable[str]:
    """The classes a claim asks for, has, and is on its way to."""
    change = claim.status.modify_volume_status
    named = (
        claim.spec.volume_attributes_class_name,
        claim.status.current_volume_attributes_class_name,
        change.target_volume_attributes_class_name if change is not None else None,
    )
    return {name for name in named if name}


def of_volume(volume: PersistentVolume) -> Iterable[str]:
    """The class a volume has."""
    name = volume.spec.volume_attributes_class_name
    return (name,) if name else ()


def build(env: Environment) -> Controller[Key]:
    """Keys are classes."""

    async def reconcile(key: Key, client: Client) -> None:
        found = classes.get(key[1])
        if found is None:
            return
        held = found.metadata.finalizers
        if found.metadata.deletion_timestamp is None:
            if FINALIZER not in held:
                await client.update(with_meta(found, finalizers=(*held, FINALIZER)))
        elif FINALIZER in held and not claims.by_index(INDEX, key[1]) and not volumes.by_index(INDEX, key[1]):
            await client.update(with_meta(found, finalizers=tuple(f for f in held if f != FINALIZER)))

    def claim_changed(old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterable[Key]:
        """Only a class that lost a user may be free now."""
        left = set(of_claim(old) if old is not None else ()) - set(of_claim(new) if new is not None else ())
        return [("", name) for name in left]

    def volume_changed(old: PersistentVolume | None, new: PersistentVolume | None) -> Iterable[Key]:
        left = set(of_volume(old) if old is not None else ()) - set(of_volume(new) if new is not None else ())
        return [("", name) for name in left]

    name = "volumeattributesclass-protection-controller"
    controller = env.controller(name, name, reconcile, workers=1)
    classes = controller.on(VolumeAttributesClass, own_key)
    claims = controller.on(PersistentVolumeClaim, claim_changed)
    volumes = controller.on(PersistentVolume, volume_changed)
    claims.add_index(INDEX, of_claim)
    volumes.add_index(INDEX, of_volume)
    return controller
