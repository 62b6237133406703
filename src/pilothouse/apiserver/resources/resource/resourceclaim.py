"""ResourceClaim."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.resource.v1 import ResourceClaim
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Status, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: ResourceClaim, now: float) -> Sequence[Cell]:
    states = []
    if obj.metadata.deletion_timestamp is not None:
        states.append("deleted")
    if obj.status.allocation is None:
        states.append("pending")
    else:
        states.append("allocated")
        if obj.status.reserved_for:
            states.append("reserved")
    return obj.metadata.name, ",".join(states), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ResourceClaim,
    prefix="resourceclaims",
    status=Status(),
    deletion=Deletion(returns_object=True),
    row=row,
)
