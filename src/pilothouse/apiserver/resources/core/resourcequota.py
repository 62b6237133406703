"""ResourceQuota."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core.v1 import ResourceQuota
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Status, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: ResourceQuota, now: float) -> Sequence[Cell]:
    used = obj.status.used
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(obj.status.hard):
        told = f"{name}: {used.get(name, 0)}/{obj.status.hard[name]}"
        (limits if name.startswith("limits.") else requests).append(told)
    return obj.metadata.name, ", ".join(requests), ", ".join(limits), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ResourceQuota,
    prefix="resourcequotas",
    status=Status(),
    deletion=Deletion(returns_object=True),
    row=row,
)
