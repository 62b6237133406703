"""ResourceSlice."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.resource.v1 import ResourceSlice
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: ResourceSlice, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        obj.spec.node_name or "",
        obj.spec.driver,
        obj.spec.pool.name,
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=ResourceSlice,
    prefix="resourceslices",
    generation=("spec",),
    deletion=Deletion(returns_object=True),
    fields={"spec.nodeName": lambda o: o.spec.node_name or "", "spec.driver": lambda o: o.spec.driver},
    row=row,
)
