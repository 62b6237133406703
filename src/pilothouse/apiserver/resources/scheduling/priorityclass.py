"""PriorityClass."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.scheduling.v1 import PriorityClass
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import age


def defaults(obj: PriorityClass) -> PriorityClass:
    return obj if obj.preemption_policy is not None else replace(obj, preemption_policy="PreemptLowerPriority")


def row(obj: PriorityClass, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        obj.value,
        obj.global_default,
        age(obj.metadata.creation_timestamp, now),
        obj.preemption_policy,
    )


STRATEGY = Strategy(
    type=PriorityClass,
    prefix="priorityclasses",
    generation=("kind",),
    row=row,
    defaults=defaults,
)
