"""Validation of metav1.Condition lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, duplicate, invalid, not_supported, required, too_long
from pilothouse.api.types.meta.v1 import Condition
from pilothouse.semantics.validation.names import longer, qualified_name

STATUSES = ("False", "True", "Unknown")
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?\Z")
_REASON_FAULT = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    "'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
    "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
)
_REASON_LIMIT, _MESSAGE_LIMIT = 1024, 32 * 1024


def validate(path: str, found: Sequence[Condition]) -> FieldErrors:
    """Errors of a list of conditions, each type once."""
    errors: FieldErrors = []
    seen: set[str] = set()
    for index, condition in enumerate(found):
        at = f"{path}[{index}]"
        if condition.type in seen:
            errors.append(duplicate(f"{at}.type", condition.type))
        seen.add(condition.type)
        errors += _one(at, condition)
    return errors


def _one(path: str, condition: Condition) -> FieldErrors:
    errors: FieldErrors = [invalid(f"{path}.type", condition.type, fault) for fault in qualified_name(condition.type)]
    if condition.status not in STATUSES:
        errors.append(not_supported(f"{path}.status", condition.status, STATUSES))
    if condition.observed_generation < 0:
        detail = "must be greater than or equal to zero"
        errors.append(invalid(f"{path}.observedGeneration", condition.observed_generation, detail))
    if not condition.last_transition_time:
        errors.append(required(f"{path}.lastTransitionTime"))
    if not condition.reason:
        errors.append(required(f"{path}.reason"))
    else:
        if not _REASON.match(condition.reason):
            errors.append(invalid(f"{path}.reason", condition.reason, _REASON_FAULT))
        if longer(condition.reason, _REASON_LIMIT):
            errors.append(too_long(f"{path}.reason", _REASON_LIMIT))
    if longer(condition.message, _MESSAGE_LIMIT):
        errors.append(too_long(f"{path}.message", _MESSAGE_LIMIT))
    return errors
