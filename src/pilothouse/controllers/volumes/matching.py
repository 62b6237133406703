"""Which volume fits a claim. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.types.core.v1 import PersistentVolume, PersistentVolumeClaim

OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


def class_of(obj: PersistentVolume | PersistentVolumeClaim) -> str:
    """The storage class; the old annotation wins."""
    old = obj.metadata.annotations.get(OLD_CLASS)
    return old if old is not None else obj.spec.storage_class_name or ""


def points_at(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is meant for (or bound to) this claim."""
    reference = volume.spec.claim_ref
    if reference is None or (reference.namespace, reference.name) != (claim.metadata.namespace, claim.metadata.name):
        return False
    return not reference.uid or reference.uid == claim.metadata.uid


def size_of(volume: PersistentVolume) -> Decimal:
    held = volume.spec.capacity.get("storage")
    return held.value if held is not None else Decimal(0)


def fits(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume's kind, size and labels are what the claim asks for."""
    wanted = claim.spec.resources.requests.get("storage")
    if wanted is not None and size_of(volume) < wanted.value:
        return False
    if (volume.spec.volume_mode or "Filesystem") != (claim.spec.volume_mode or "Filesystem"):
        return False
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return False
    if class_of(volume) != class_of(claim):
        return False
    if (volume.spec.volume_attributes_class_name or "") != (claim.spec.volume_attributes_class_name or ""):
        return False
    if claim.spec.selector is None:
        return True
    try:
        return of_object(claim.spec.selector).matches(volume.metadata.labels)
    except SelectorError:
        return False


def find(claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume]) -> PersistentVolume | None:
    """The volume meant for the claim, else the smallest free one that fits."""
    best: PersistentVolume | None = None
    for volume in volumes:
        if volume.metadata.deletion_timestamp is not None:
            continue
        if points_at(volume, claim):
            wanted = claim.spec.resources.requests.get("storage")
            if wanted is None or size_of(volume) >= wanted.value:
                return volume
            continue
        free = volume.spec.claim_ref is None and volume.status.phase == "Available"
        if free and fits(volume, claim) and (best is None or size_of(volume) < size_of(best)):
            best = volume
    return best
