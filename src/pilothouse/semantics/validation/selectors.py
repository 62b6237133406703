"""Validation of label names and LabelSelectors, as every kind that selects has them. Pure."""

from __future__ import annotations

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, required
from pilothouse.api.types.meta.v1 import LabelSelector, LabelSelectorRequirement
from pilothouse.semantics.validation.names import label_value, qualified_name


def label_name(path: str, name: str) -> FieldErrors:
    """The key of a label."""
    return [invalid(path, name, fault) for fault in qualified_name(name)]


def label_selector(path: str, selector: LabelSelector) -> FieldErrors:
    """A LabelSelector; `path` is the selector's own."""
    found: FieldErrors = []
    for key, value in selector.match_labels.items():
        found += label_name(f"{path}.matchLabels", key)
        found += [invalid(f"{path}.matchLabels", value, fault) for fault in label_value(value)]
    for index, wanted in enumerate(selector.match_expressions):
        found += _requirement(f"{path}.matchExpressions[{index}]", wanted)
    return found


def _requirement(path: str, wanted: LabelSelectorRequirement) -> FieldErrors:
    found: FieldErrors = []
    if wanted.operator in ("In", "NotIn"):
        if not wanted.values:
            found.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif wanted.operator in ("Exists", "DoesNotExist"):
        if wanted.values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(forbidden(f"{path}.values", detail))
    else:
        found.append(invalid(f"{path}.operator", wanted.operator, "not a valid selector operator"))
    found += label_name(f"{path}.key", wanted.key)
    for index, value in enumerate(wanted.values):
        found += [invalid(f"{path}.values[{index}]", value, fault) for fault in label_value(value)]
    return found
