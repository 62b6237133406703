"""What both kinds of flow control check of their status, and of the objects every cluster has. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pilothouse.api.field_errors import FieldErrors, duplicate, invalid, required


class Condition(Protocol):
    @property
    def type(self) -> str: ...


def conditions(found: Sequence[Condition]) -> FieldErrors:
    """status.conditions: each type once."""
    errors: FieldErrors = []
    seen: set[str] = set()
    for index, condition in enumerate(found):
        at = f"status.conditions[{index}].type"
        if condition.type in seen:
            errors.append(duplicate(at, condition.type))
        seen.add(condition.type)
        if not condition.type:
            errors.append(required(at))
    return errors


def fixed_spec(name: str, spec: Any, mandatory: Mapping[str, Any]) -> FieldErrors:
    """The mandatory objects are what they are."""
    if name not in mandatory or spec == mandatory[name]:
        return []
    return [invalid("spec", spec, f"spec of '{name}' must equal the fixed value")]
