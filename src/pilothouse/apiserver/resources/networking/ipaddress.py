"""IPAddress."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.networking.v1 import IPAddress
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import NONE, age


def row(obj: IPAddress, now: float) -> Sequence[Cell]:
    """Upstream gives three cells under two columns."""
    parent = obj.spec.parent_ref
    told = NONE
    if parent is not None:
        resource = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
        told = "/".join(part for part in (resource, parent.namespace, parent.name) if part)
    return obj.metadata.name, told, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=IPAddress,
    prefix="ipaddresses",
    row=row,
)
