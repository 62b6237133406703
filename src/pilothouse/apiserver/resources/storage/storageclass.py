"""StorageClass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Strategy
from pilothouse.apiserver.table.cells import age

DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def defaults(obj: StorageClass) -> StorageClass:
    changes: dict[str, Any] = {}
    if obj.reclaim_policy is None:
        changes["reclaim_policy"] = "Delete"
    if obj.volume_binding_mode is None:
        changes["volume_binding_mode"] = "Immediate"
    return replace(obj, **changes) if changes else obj


def row(obj: StorageClass, now: float) -> Sequence[Cell]:
    name = obj.metadata.name
    if any(obj.metadata.annotations.get(key) == "true" for key in DEFAULT):
        name += " (default)"
    expands = bool(obj.allow_volume_expansion)
    return (
        name,
        obj.provisioner,
        obj.reclaim_policy,
        obj.volume_binding_mode,
        expands,
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=StorageClass,
    prefix="storageclasses",
    deletion=Deletion(returns_object=True),
    row=row,
    defaults=defaults,
)
