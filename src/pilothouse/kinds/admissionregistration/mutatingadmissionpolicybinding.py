"""MutatingAdmissionPolicyBinding."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors
from pilothouse.api.types.admissionregistration.v1 import MutatingAdmissionPolicyBinding
from pilothouse.kinds.admissionregistration import rules
from pilothouse.kinds.admissionregistration.matching import match_defaults, param_ref
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy


def defaults(obj: MutatingAdmissionPolicyBinding) -> MutatingAdmissionPolicyBinding:
    spec = obj.spec
    found = match_defaults(spec.match_resources)
    return obj if found is spec.match_resources else replace(obj, spec=replace(spec, match_resources=found))


def validate(obj: MutatingAdmissionPolicyBinding) -> FieldErrors:
    spec = obj.spec
    found = rules.policy_name("spec.policyName", spec.policy_name) + rules.param_ref("spec.paramRef", spec.param_ref)
    if spec.match_resources is not None:
        found += rules.match_resources("spec.matchResources", spec.match_resources)
    return found


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
    meta_update=MetaUpdate(whole=1, change=0),
    generation=("spec",),
    allow_unconditional_update=False,
    row=row,
    defaults=defaults,
    validate=validate,
)
