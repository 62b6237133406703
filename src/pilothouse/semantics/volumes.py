"""Which volume suits a claim, and which storage class it asks for. Pure.

Controller and scheduler choose by the same rule; it follows upstream's component-helpers/storage/volume.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal

from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.types.core.v1 import Node, PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.semantics.node_affinity import selector_matches

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def class_of(obj: PersistentVolume | PersistentVolumeClaim) -> str:
    """The name of the storage class; the annotation of old wins. Empty if there is none."""
    old = obj.metadata.annotations.get(CLASS_ANNOTATION)
    return old if old is not None else obj.spec.storage_class_name or ""


def names_class(claim: PersistentVolumeClaim) -> bool:
    """Whether the claim says which class it wants, be it none (the empty name)."""
    return CLASS_ANNOTATION in claim.metadata.annotations or claim.spec.storage_class_name is not None


def default_class(classes: Iterable[StorageClass]) -> StorageClass | None:
    """The class of claims that name none: of several defaults the newest, then the first by name."""
    defaults = [c for c in classes if any(c.metadata.annotations.get(key) == "true" for key in DEFAULT_ANNOTATIONS)]
    defaults.sort(key=lambda c: c.metadata.name)
    defaults.sort(key=lambda c: c.metadata.creation_timestamp or "", reverse=True)
    return defaults[0] if defaults else None


def points_at(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether the volume is meant for (or bound to) this claim."""
    reference = volume.spec.claim_ref
    if reference is None or (reference.namespace, reference.name) != (claim.metadata.namespace, claim.metadata.name):
        return False
    return not reference.uid or reference.uid == claim.metadata.uid


def capacity(volume: PersistentVolume) -> Decimal:
    """Bytes."""
    size = volume.spec.capacity.get("storage")
    return size.value if size is not None else Decimal(0)


def requested(claim: PersistentVolumeClaim) -> Decimal:
    """Bytes."""
    size = claim.spec.resources.requests.get("storage")
    return size.value if size is not None else Decimal(0)


def fits_node(volume: PersistentVolume, node: Node) -> bool:
    """Whether the volume can be reached from the node."""
    affinity = volume.spec.node_affinity
    if affinity is None or affinity.required is None:
        return True
    return selector_matches(affinity.required, node.metadata.labels, node.metadata.name)


def same_mode(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether both are file systems, or both block devices."""
    return (volume.spec.volume_mode or "Filesystem") == (claim.spec.volume_mode or "Filesystem")


def _same_attributes(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    return (volume.spec.volume_attributes_class_name or "") == (claim.spec.volume_attributes_class_name or "")


def _could_serve(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """What even a volume that is meant for the claim must have."""
    if volume.spec.claim_ref is not None and not points_at(volume, claim):
        return False
    return (
        capacity(volume) >= requested(claim)
        and same_mode(volume, claim)
        and _same_attributes(volume, claim)
        and volume.metadata.deletion_timestamp is None
    )


def _free_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """What a volume that is meant for nobody must have besides."""
    if volume.status.phase != "Available" or class_of(volume) != class_of(claim):
        return False
    if claim.spec.selector is None:
        return True
    try:
        return of_object(claim.spec.selector).matches(volume.metadata.labels)
    except SelectorError:
        return False


def mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str:
    """Why a claim that names this volume cannot have it; empty if it can. One that is meant for it is not looked at."""
    if volume.spec.claim_ref is not None:
        return "" if points_at(volume, claim) else "bound to a different claim"
    if volume.metadata.deletion_timestamp is not None:
        return f'the volume is marked for deletion "{volume.metadata.name}"'
    if capacity(volume) < requested(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if not _same_attributes(volume, claim):
        return "VolumeAttributesClassName does not match"
    if not same_mode(volume, claim):
        return "incompatible volumeMode"
    return "" if set(claim.spec.access_modes) <= set(volume.spec.access_modes) else "incompatible accessMode"


def find_for_node(
    claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume], node: Node, taken: Collection[str] = ()
) -> PersistentVolume | None:
    """The volume meant for the claim if it can be reached from the node, else the smallest free one that suits claim
    and node; `taken` are names of volumes that are promised already."""
    best: PersistentVolume | None = None
    for volume in volumes:
        if volume.metadata.name in taken or not _could_serve(volume, claim):
            continue
        if points_at(volume, claim):
            return volume if fits_node(volume, node) else None
        if not _free_for(volume, claim) or not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
            continue
        if (best is None or capacity(volume) < capacity(best)) and fits_node(volume, node):
            best = volume
    return best


def find(
    claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume], *, only_meant: bool = False
) -> PersistentVolume | None:
    """The volume to bind the claim to wherever it is used. Of those that suit it, one with the fewest access modes; the
    one meant for the claim, else the smallest. `only_meant`: a node is chosen first, so no free volume is taken."""
    best: PersistentVolume | None = None
    for volume in volumes:
        if not _could_serve(volume, claim) or not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
            continue
        if not points_at(volume, claim) and (only_meant or not _free_for(volume, claim)):
            continue
        if best is None or _rank(volume, claim) < _rank(best, claim):
            best = volume
    return best


def _rank(volume: PersistentVolume, claim: PersistentVolumeClaim) -> tuple[int, bool, Decimal]:
    return len(set(volume.spec.access_modes)), not points_at(volume, claim), capacity(volume)
