"""CSIDriver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.storage.v1 import CSIDriver
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Strategy
from pilothouse.apiserver.table.cells import NONE, age


def defaults(obj: CSIDriver) -> CSIDriver:
    changes: dict[str, Any] = {}
    spec = obj.spec
    for name, value in (
        ("attach_required", True),
        ("pod_info_on_mount", False),
        ("storage_capacity", False),
        ("fs_group_policy", "ReadWriteOnceWithFSType"),
        ("requires_republish", False),
        ("se_linux_mount", False),
    ):
        if getattr(spec, name) is None:
            changes[name] = value
    if not spec.volume_lifecycle_modes:
        changes["volume_lifecycle_modes"] = ("Persistent",)
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def row(obj: CSIDriver, now: float) -> Sequence[Cell]:
    spec = obj.spec
    return (
        obj.metadata.name,
        spec.attach_required is not False,
        bool(spec.pod_info_on_mount),
        bool(spec.storage_capacity),
        ",".join(request.audience for request in spec.token_requests) if spec.token_requests else "<unset>",
        bool(spec.requires_republish),
        ",".join(spec.volume_lifecycle_modes) or NONE,
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=CSIDriver,
    prefix="csidrivers",
    allow_unconditional_update=False,
    deletion=Deletion(returns_object=True),
    row=row,
    defaults=defaults,
)
