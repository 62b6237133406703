"""What can be said of the rules of `x-kubernetes-validations` without understanding their expressions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pilothouse.api.field_errors import invalid, not_supported, required
from pilothouse.kinds.apiextensions import field_paths
from pilothouse.kinds.apiextensions.convertible import convertible, has_dialect

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_BREAKS = re.compile(r"[\n\r]")


def rule_errors(raw: Mapping[str, Any], path: str) -> Iterator[Any]:
    """The errors of a schema's rules."""
    for at, rule in enumerate(raw.get("x-kubernetes-validations", ())):
        where = f"{path}.x-kubernetes-validations[{at}]"
        yield from _text_errors(rule, where)
        expression, reason = rule.get("messageExpression", ""), rule.get("reason")
        if expression and not expression.strip():
            yield required(f"{where}.messageExpression", "messageExpression must be non-empty if specified")
        if reason is not None and reason not in REASONS:
            yield not_supported(f"{where}.reason", reason, REASONS)
        if field := rule.get("fieldPath", ""):
            yield from _field_errors(raw, field, f"{where}.fieldPath")


def _text_errors(rule: Mapping[str, Any], where: str) -> Iterator[Any]:
    """The first error of a rule and its message."""
    text, said = rule.get("rule", "").strip(), rule.get("message", "")
    message = said.strip()
    if not text:
        yield required(f"{where}.rule", "rule is not specified")
    elif said and not message:
        yield invalid(f"{where}.message", said, "must be non-empty if specified")
    elif _BREAKS.search(message):
        yield invalid(f"{where}.message", said, "must not contain line breaks")
    elif not message and _BREAKS.search(text):
        yield required(f"{where}.message", "message must be specified if rule contains line breaks")


def _field_errors(raw: Mapping[str, Any], field: str, where: str) -> Iterator[Any]:
    if not field.strip():
        yield invalid(where, field, "must be non-empty if specified")
    if _BREAKS.search(field):
        yield invalid(where, field, "must not contain line breaks")
    try:
        field_paths.resolved(raw, field)
    except field_paths.FieldPathError:
        if not convertible(raw) or has_dialect(raw):  # upstream has nothing then to look for the path in
            return
        yield invalid(where, field, "must be a valid path")
