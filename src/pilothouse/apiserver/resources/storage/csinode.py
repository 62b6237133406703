"""CSINode."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.storage.v1 import CSINode
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: CSINode, now: float) -> Sequence[Cell]:
    return obj.metadata.name, len(obj.spec.drivers or ()), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=CSINode,
    prefix="csinodes",
    allow_unconditional_update=False,
    row=row,
)
