"""FlowSchema."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors
from pilothouse.api.types.flowcontrol.v1 import FlowSchema
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.flowcontrol import rules
from pilothouse.kinds.flowcontrol.bootstrap import flow_schemas
from pilothouse.kinds.flowcontrol.mandatory import conditions, fixed_spec
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy

MANDATORY = {s.metadata.name: s.spec for s in flow_schemas() if s.metadata.name in ("exempt", "catch-all")}


def defaults(obj: FlowSchema) -> FlowSchema:
    if obj.spec.matching_precedence:
        return obj
    return replace(obj, spec=replace(obj.spec, matching_precedence=1000))


def validate(obj: FlowSchema) -> FieldErrors:
    name, spec = obj.metadata.name, obj.spec
    errors = rules.spec(name, spec) + fixed_spec(name, spec, MANDATORY)
    return errors + conditions(obj.status.conditions)


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
    meta_update=MetaUpdate(whole=1, change=0),
    validate=validate,
    status=Status(
        meta_update=MetaUpdate(change=0),
        validate=lambda new, old: conditions(new.status.conditions),
    ),
    row=row,
    row_order=lambda obj: (obj.spec.matching_precedence, obj.metadata.name),
    defaults=defaults,
)
