"""MutatingAdmissionPolicyBinding."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.admissionregistration.v1 import MutatingAdmissionPolicyBinding
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.resources.admissionregistration.matching import match_defaults, param_ref
from pilothouse.apiserver.table.cells import age


def defaults(obj: MutatingAdmissionPolicyBinding) -> MutatingAdmissionPolicyBinding:
    spec = obj.spec
    found = match_defaults(spec.match_resources)
    return obj if found is spec.match_resources else replace(obj, spec=replace(spec, match_resources=found))


def row(obj: MutatingAdmissionPolicyBinding, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        obj.spec.policy_name,
        param_ref(obj.spec.param_ref),
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=MutatingAdmissionPolicyBinding,
    prefix="mutatingadmissionpolicybindings",
    generation=("spec",),
    allow_unconditional_update=False,
    row=row,
    defaults=defaults,
)
