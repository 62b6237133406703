"""RuntimeClass."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.node.v1 import RuntimeClass
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: RuntimeClass, now: float) -> Sequence[Cell]:
    return obj.metadata.name, obj.handler, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=RuntimeClass,
    prefix="runtimeclasses",
    allow_unconditional_update=False,
    row=row,
)
