"""ServiceCIDR."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.networking.v1 import ServiceCIDR
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: ServiceCIDR, now: float) -> Sequence[Cell]:
    return obj.metadata.name, ",".join(obj.spec.cidrs), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ServiceCIDR,
    prefix="servicecidrs",
    status=Status(),
    row=row,
)
