"""What can be said of the rules of `x-kubernetes-validations` without understanding their expressions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilothouse.api.field_errors import invalid, not_supported, required

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def rule_errors(raw: Mapping[str, Any], path: str) -> Iterator[Any]:
    """The errors of a schema's rules."""
    for at, rule in enumerate(raw.get("x-kubernetes-validations", ())):
        where = f"{path}.x-kubernetes-validations[{at}]"
        if not rule.get("rule", "").strip():
            yield required(f"{where}.rule", "rule is not specified")
        message = rule.get("message", "")
        if message and not message.strip():
            yield invalid(f"{where}.message", message, "must be non-empty if specified")
        elif "\n" in message:
            yield invalid(f"{where}.message", message, "must not contain line breaks")
        elif not message and "\n" in rule.get("rule", "").strip():
            yield required(f"{where}.message", "message must be specified if rule contains line breaks")
        expression = rule.get("messageExpression", "")
        if expression and not expression.strip():
            yield required(f"{where}.messageExpression", "must be non-empty if specified")
        reason = rule.get("reason")
        if reason is not None and reason not in REASONS:
            yield not_supported(f"{where}.reason", reason, REASONS)
