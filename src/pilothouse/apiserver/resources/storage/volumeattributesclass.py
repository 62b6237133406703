"""VolumeAttributesClass."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.storage.v1 import VolumeAttributesClass
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: VolumeAttributesClass, now: float) -> Sequence[Cell]:
    return obj.metadata.name, obj.driver_name, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=VolumeAttributesClass,
    prefix="volumeattributesclasses",
    row=row,
)
