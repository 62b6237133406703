"""FlowSchema."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.flowcontrol.v1 import FlowSchema
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy
from pilothouse.apiserver.table.cells import NONE, age


def defaults(obj: FlowSchema) -> FlowSchema:
    if obj.spec.matching_precedence:
        return obj
    return replace(obj, spec=replace(obj.spec, matching_precedence=1000))


def row(obj: FlowSchema, now: float) -> Sequence[Cell]:
    spec = obj.spec
    method = spec.distinguisher_method.type if spec.distinguisher_method is not None else NONE
    missing = next((c.status for c in obj.status.conditions if c.type == "Dangling"), "?")
    level = spec.priority_level_configuration.name
    return (
        obj.metadata.name,
        level,
        spec.matching_precedence,
        method,
        age(obj.metadata.creation_timestamp, now),
        missing,
    )


STRATEGY = Strategy(
    type=FlowSchema,
    prefix="flowschemas",
    generation=("spec",),
    status=Status(),
    row=row,
    defaults=defaults,
)
