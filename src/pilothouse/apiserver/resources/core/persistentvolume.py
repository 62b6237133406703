"""PersistentVolume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import PersistentVolume, PersistentVolumeStatus
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Status, Strategy, Write
from pilothouse.apiserver.table.cells import age

MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
CLASS = "volume.beta.kubernetes.io/storage-class"
UNSET = "<unset>"


def modes(found: Iterable[str]) -> str:
    """Access modes in their short form and order."""
    held = set(found)
    return ",".join(short for mode, short in MODES.items() if mode in held)


def defaults(obj: PersistentVolume) -> PersistentVolume:
    spec = obj.spec
    changes: dict[str, Any] = {}
    if not spec.persistent_volume_reclaim_policy:
        changes["persistent_volume_reclaim_policy"] = "Retain"
    if spec.volume_mode is None:
        changes["volume_mode"] = "Filesystem"
    if spec.host_path is not None and spec.host_path.type is None:
        changes["host_path"] = replace(spec.host_path, type="")
    if changes:
        obj = replace(obj, spec=replace(spec, **changes))
    return obj if obj.status.phase else replace(obj, status=replace(obj.status, phase="Pending"))


def prepare_create(obj: PersistentVolume, write: Write) -> PersistentVolume:
    return replace(
        obj, status=PersistentVolumeStatus(phase="Pending", last_phase_transition_time=format_time(write.now))
    )


def row(obj: PersistentVolume, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    phase = "Terminating" if obj.metadata.deletion_timestamp is not None else status.phase
    claim = spec.claim_ref
    return (
        obj.metadata.name,
        str(spec.capacity["storage"]) if "storage" in spec.capacity else "0",
        modes(spec.access_modes),
        spec.persistent_volume_reclaim_policy,
        phase,
        f"{claim.namespace}/{claim.name}" if claim is not None else "",
        obj.metadata.annotations.get(CLASS, spec.storage_class_name),
        spec.volume_attributes_class_name or UNSET,
        status.reason,
        age(obj.metadata.creation_timestamp, now),
        UNSET if spec.volume_mode is None else spec.volume_mode,
    )


STRATEGY = Strategy(
    type=PersistentVolume,
    prefix="persistentvolumes",
    status=Status(),
    deletion=Deletion(returns_object=True),
    row=row,
    defaults=defaults,
    prepare_create=prepare_create,
)
