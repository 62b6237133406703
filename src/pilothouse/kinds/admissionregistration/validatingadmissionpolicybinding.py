"""ValidatingAdmissionPolicyBinding."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, duplicate, invalid, required
from pilothouse.api.types.admissionregistration.v1 import ValidatingAdmissionPolicyBinding
from pilothouse.kinds.admissionregistration import rules
from pilothouse.kinds.admissionregistration.matching import match_defaults, param_ref
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy


def defaults(obj: ValidatingAdmissionPolicyBinding) -> ValidatingAdmissionPolicyBinding:
    spec = obj.spec
    found = match_defaults(spec.match_resources)
    return obj if found is spec.match_resources else replace(obj, spec=replace(spec, match_resources=found))


_ACTIONS = ("Audit", "Deny", "Warn")
_TWICE = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)


def validate(obj: ValidatingAdmissionPolicyBinding) -> FieldErrors:
    spec = obj.spec
    found = rules.policy_name("spec.policyName", spec.policy_name) + rules.param_ref("spec.paramRef", spec.param_ref)
    if spec.match_resources is not None:
        found += rules.match_resources("spec.matchResources", spec.match_resources)
    path, actions = "spec.validationActions", spec.validation_actions
    seen: set[str] = set()
    for index, action in enumerate(actions):
        found += rules.known(f"{path}[{index}]", action, _ACTIONS)
        if action in seen:
            found.append(duplicate(f"{path}[{index}]", action))
        seen.add(action)
    if {"Deny", "Warn"} <= seen:
        found.append(invalid(path, actions, _TWICE))
    return found if actions else [*found, required(path, "at least one validation action is required")]


def row(obj: ValidatingAdmissionPolicyBinding, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        obj.spec.policy_name,
        param_ref(obj.spec.param_ref),
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=ValidatingAdmissionPolicyBinding,
    prefix="validatingadmissionpolicybindings",
    meta_update=MetaUpdate(whole=1, change=0),
    generation=("spec",),
    allow_unconditional_update=False,
    row=row,
    defaults=defaults,
    validate=validate,
)
