"""ValidatingAdmissionPolicy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, duplicate, invalid, required
from pilothouse.api.types.admissionregistration.v1 import ValidatingAdmissionPolicy, Validation
from pilothouse.kinds.admissionregistration import rules
from pilothouse.kinds.admissionregistration.matching import match_defaults, param_kind
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy
from pilothouse.semantics.validation import conditions, names


def defaults(obj: ValidatingAdmissionPolicy) -> ValidatingAdmissionPolicy:
    spec = obj.spec
    changes: dict[str, Any] = {}
    if spec.failure_policy is None:
        changes["failure_policy"] = "Fail"
    constraints = match_defaults(spec.match_constraints)
    if constraints is not spec.match_constraints:
        changes["match_constraints"] = constraints
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_NOTHING = "validations or auditAnnotations must contain at least one item"
_ANNOTATIONS, _EXPRESSION = 20, 5 * 1024


def validate(obj: ValidatingAdmissionPolicy) -> FieldErrors:
    spec = obj.spec
    found = rules.one_of("spec.failurePolicy", spec.failure_policy, rules.FAILURE_POLICIES)
    if spec.param_kind is not None:
        found += rules.param_kind("spec.paramKind", spec.param_kind)
    found += rules.match_constraints("spec.matchConstraints", spec.match_constraints)
    found += rules.match_conditions("spec.matchConditions", spec.match_conditions)
    found += rules.variables("spec.variables", spec.variables)
    if not spec.validations and not spec.audit_annotations:
        return [*found, required("spec.validations", _NOTHING), required("spec.auditAnnotations", _NOTHING)]
    for index, validation in enumerate(spec.validations):
        found += _validation(f"spec.validations[{index}]", validation)
    return found + _annotations(obj)


def _validation(path: str, found: Validation) -> FieldErrors:
    errors: FieldErrors = []
    message, expression = found.message, found.message_expression
    if not found.expression.strip():
        errors.append(required(f"{path}.expression", "expression is not specified"))
    if expression and not expression.strip():
        errors.append(invalid(f"{path}.messageExpression", expression, "must be non-empty if specified"))
    if message and not message.strip():
        errors.append(invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif "\n" in message.strip() or "\r" in message.strip():
        errors.append(invalid(f"{path}.message", message, "must not contain line breaks"))
    return errors + rules.known(f"{path}.reason", found.reason, _REASONS)


def _annotations(obj: ValidatingAdmissionPolicy) -> FieldErrors:
    annotations = obj.spec.audit_annotations
    errors: FieldErrors = []
    if len(annotations) > _ANNOTATIONS:
        told = f"must not have more than {_ANNOTATIONS} auditAnnotations"
        errors.append(invalid("spec.auditAnnotations", annotations, told))
    seen: set[str] = set()
    for index, one in enumerate(annotations):
        path = f"spec.auditAnnotations[{index}]"
        key = f"{obj.metadata.name}/{one.key}" if obj.metadata.name else one.key
        errors += [invalid(f"{path}.key", key, fault) for fault in names.qualified_name(key)]
        if not one.value_expression.strip():
            errors.append(required(f"{path}.valueExpression", "valueExpression is not specified"))
        elif len(one.value_expression.strip().encode()) > _EXPRESSION:
            told = f"must not exceed {_EXPRESSION} bytes in length"
            errors.append(required(f"{path}.valueExpression", told))
        if one.key in seen:
            errors.append(duplicate(f"{path}.key", one.key))
        seen.add(one.key)
    return errors


def validate_status(new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy) -> FieldErrors:
    found = conditions.validate("status.conditions", new.status.conditions)
    checking = new.status.type_checking
    for index, warning in enumerate(checking.expression_warnings if checking is not None else ()):
        path = f"status.typeChecking.expressionWarnings[{index}]"
        if not warning.warning:
            found.append(required(f"{path}.warning"))
        if not warning.field_ref:
            found.append(required(f"{path}.fieldRef"))
    return found


def row(obj: ValidatingAdmissionPolicy, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        len(obj.spec.validations),
        param_kind(obj.spec.param_kind),
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=ValidatingAdmissionPolicy,
    prefix="validatingadmissionpolicies",
    meta_update=MetaUpdate(whole=1, change=0),
    generation=("spec",),
    allow_unconditional_update=False,
    status=Status(
        keep=("spec", "metadata.labels", "metadata.annotations", "metadata.finalizers", "metadata.owner_references"),
        meta_update=MetaUpdate(change=0),
        validate=validate_status,
    ),
    validate=validate,
    row=row,
    defaults=defaults,
)
