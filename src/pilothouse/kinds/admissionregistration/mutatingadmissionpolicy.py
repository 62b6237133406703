"""MutatingAdmissionPolicy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, invalid, not_supported, required
from pilothouse.api.types.admissionregistration.v1 import MutatingAdmissionPolicy, Mutation
from pilothouse.kinds.admissionregistration import rules
from pilothouse.kinds.admissionregistration.matching import match_defaults, param_kind
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy


def defaults(obj: MutatingAdmissionPolicy) -> MutatingAdmissionPolicy:
    spec = obj.spec
    changes: dict[str, Any] = {}
    if spec.failure_policy is None:
        changes["failure_policy"] = "Fail"
    constraints = match_defaults(spec.match_constraints)
    if constraints is not spec.match_constraints:
        changes["match_constraints"] = constraints
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


_TYPES = ("ApplyConfiguration", "JSONPatch")
_PATCHED = ("*", "CONNECT", "CREATE", "UPDATE")


def validate(obj: MutatingAdmissionPolicy) -> FieldErrors:
    spec = obj.spec
    found = rules.one_of("spec.failurePolicy", spec.failure_policy, rules.FAILURE_POLICIES)
    if spec.param_kind is not None:
        found += rules.param_kind("spec.paramKind", spec.param_kind)
    found += rules.match_constraints("spec.matchConstraints", spec.match_constraints)
    matched = spec.match_constraints.resource_rules if spec.match_constraints is not None else ()
    for operation in (operation for rule in matched for operation in rule.operations):
        if operation == "DELETE":
            found.append(not_supported("spec.matchConstraints.resourceRules.operations", operation, _PATCHED))
    found += rules.match_conditions("spec.matchConditions", spec.match_conditions)
    found += rules.variables("spec.variables", spec.variables)
    if not spec.mutations:
        found.append(required("spec.mutations", "mutations must contain at least one item"))
    for index, mutation in enumerate(spec.mutations):
        found += _mutation(f"spec.mutations[{index}]", mutation)
    return found + rules.one_of("spec.reinvocationPolicy", spec.reinvocation_policy or None, rules.REINVOCATIONS)


def _mutation(path: str, mutation: Mutation) -> FieldErrors:
    kind = mutation.patch_type
    found = rules.one_of(f"{path}.patchType", kind or None, _TYPES)
    if found:
        return found
    forms = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
    given = {"ApplyConfiguration": mutation.apply_configuration, "JSONPatch": mutation.json_patch}
    for name, form in forms.items():
        patch, at = given[name], f"{path}.{form}"
        if name != kind:
            if patch is not None:
                found.append(invalid(at, f"{{{form}}}", f"must not be specified when patchType is {kind}"))
        elif patch is None:
            found.append(required(at, f"must be specified when patchType is {kind}"))
        elif not patch.expression.strip():
            found.append(required(f"{at}.expression"))
    return found


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
    meta_update=MetaUpdate(whole=1, change=0),
    generation=("spec",),
    allow_unconditional_update=False,
    row=row,
    defaults=defaults,
    validate=validate,
)
