"""Lease."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.coordination.v1 import Lease
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: Lease, now: float) -> Sequence[Cell]:
    return obj.metadata.name, obj.spec.holder_identity or "", age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=Lease,
    prefix="leases",
    allow_create_on_update=True,
    allow_unconditional_update=False,
    row=row,
)
