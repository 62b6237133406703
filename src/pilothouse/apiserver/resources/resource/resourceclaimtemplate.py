"""ResourceClaimTemplate."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.resource.v1 import ResourceClaimTemplate
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: ResourceClaimTemplate, now: float) -> Sequence[Cell]:
    return obj.metadata.name, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ResourceClaimTemplate,
    prefix="resourceclaimtemplates",
    deletion=Deletion(returns_object=True),
    row=row,
)
