"""VolumeAttachment."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.storage.v1 import VolumeAttachment
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Status, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: VolumeAttachment, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        obj.spec.attacher,
        obj.spec.source.persistent_volume_name or "",
        obj.spec.node_name,
        obj.status.attached,
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=VolumeAttachment,
    prefix="volumeattachments",
    allow_unconditional_update=False,
    status=Status(),
    deletion=Deletion(returns_object=True),
    row=row,
)
