"""PersistentVolumeClaim."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimStatus,
    TypedLocalObjectReference,
    TypedObjectReference,
)
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Status, Strategy, Write
from pilothouse.apiserver.resources.core.persistentvolume import CLASS, UNSET, modes
from pilothouse.apiserver.resources.core.podspec.volumes import claim_spec
from pilothouse.apiserver.table.cells import age


def defaults(obj: PersistentVolumeClaim) -> PersistentVolumeClaim:
    if not obj.status.phase:
        obj = replace(obj, status=replace(obj.status, phase="Pending"))
    spec = claim_spec(obj.spec)
    source, reference = spec.data_source, spec.data_source_ref
    if source is not None and reference is None and (source.api_group or source.kind == "PersistentVolumeClaim"):
        reference = TypedObjectReference(api_group=source.api_group, kind=source.kind, name=source.name)
        spec = replace(spec, data_source_ref=reference)
    elif source is not None and not source.api_group and source.kind != "PersistentVolumeClaim":
        spec = replace(spec, data_source=None)
    elif reference is not None and source is None and not reference.namespace:
        source = TypedLocalObjectReference(api_group=reference.api_group, kind=reference.kind, name=reference.name)
        spec = replace(spec, data_source=source)
    return obj if spec is obj.spec else replace(obj, spec=spec)


def prepare_create(obj: PersistentVolumeClaim, write: Write) -> PersistentVolumeClaim:
    return replace(obj, status=PersistentVolumeClaimStatus(phase="Pending"))


def row(obj: PersistentVolumeClaim, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    bound = bool(spec.volume_name)
    capacity = status.capacity.get("storage")
    return (
        obj.metadata.name,
        "Terminating" if obj.metadata.deletion_timestamp is not None else status.phase,
        spec.volume_name,
        (str(capacity) if capacity is not None else "0") if bound else "",
        modes(status.access_modes) if bound else "",
        obj.metadata.annotations.get(CLASS) or spec.storage_class_name or "",
        spec.volume_attributes_class_name or UNSET,
        age(obj.metadata.creation_timestamp, now),
        UNSET if spec.volume_mode is None else spec.volume_mode,
    )


STRATEGY = Strategy(
    type=PersistentVolumeClaim,
    prefix="persistentvolumeclaims",
    status=Status(),
    deletion=Deletion(returns_object=True),
    row=row,
    defaults=defaults,
    prepare_create=prepare_create,
)
