"""MutatingAdmissionPolicy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.admissionregistration.v1 import MutatingAdmissionPolicy
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.resources.admissionregistration.matching import match_defaults, param_kind
from pilothouse.apiserver.table.cells import age


def defaults(obj: MutatingAdmissionPolicy) -> MutatingAdmissionPolicy:
    spec = obj.spec
    changes: dict[str, Any] = {}
    if spec.failure_policy is None:
        changes["failure_policy"] = "Fail"
    constraints = match_defaults(spec.match_constraints)
    if constraints is not spec.match_constraints:
        changes["match_constraints"] = constraints
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def row(obj: MutatingAdmissionPolicy, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        len(obj.spec.mutations),
        param_kind(obj.spec.param_kind),
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=MutatingAdmissionPolicy,
    prefix="mutatingadmissionpolicies",
    generation=("spec",),
    allow_unconditional_update=False,
    row=row,
    defaults=defaults,
)
