"""PodDisruptionBudget."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.policy.v1 import PodDisruptionBudget
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: PodDisruptionBudget, now: float) -> Sequence[Cell]:
    spec = obj.spec
    least = "N/A" if spec.min_available is None else str(spec.min_available)
    most = "N/A" if spec.max_unavailable is None else str(spec.max_unavailable)
    return obj.metadata.name, least, most, obj.status.disruptions_allowed, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=PodDisruptionBudget,
    prefix="poddisruptionbudgets",
    generation=("spec",),
    allow_unconditional_update=False,
    status=Status(),
    row=row,
)
