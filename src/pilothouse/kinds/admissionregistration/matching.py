"""What admission policies and their bindings share: defaults of what they match, and cells. Pure."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.admissionregistration.v1 import MatchResources, NamedRuleWithOperations, ParamKind, ParamRef
from pilothouse.api.types.meta.v1 import LabelSelector

UNSET = "<unset>"


def match_defaults(found: MatchResources | None) -> MatchResources | None:
    """Selectors select all, rules match equivalent resources in every scope, unless they say otherwise."""
    if found is None:
        return None
    changes: dict[str, Any] = {}
    if found.match_policy is None:
        changes["match_policy"] = "Equivalent"
    if found.namespace_selector is None:
        changes["namespace_selector"] = LabelSelector()
    if found.object_selector is None:
        changes["object_selector"] = LabelSelector()
    for name in ("resource_rules", "exclude_resource_rules"):
        rules: tuple[NamedRuleWithOperations, ...] = getattr(found, name)
        scoped = tuple(rule if rule.scope is not None else replace(rule, scope="*") for rule in rules)
        if scoped != rules:
            changes[name] = scoped
    return replace(found, **changes) if changes else found


def param_kind(found: ParamKind | None) -> str:
    return UNSET if found is None else f"{found.api_version}/{found.kind}"


def param_ref(found: ParamRef | None) -> str:
    if found is None:
        return UNSET
    if not found.name:
        return UNSET if found.selector is None else _go(found.selector)
    return f"{found.namespace}/{found.name}" if found.namespace else f"*/{found.name}"


def _go(selector: LabelSelector) -> str:
    """A selector as Go prints the message: `&LabelSelector{MatchLabels:map[string]string{a: b,},...}`."""
    labels = "".join(f"{key}: {value}," for key, value in sorted(selector.match_labels.items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{e.key},Operator:{e.operator},Values:[{' '.join(e.values)}],}},"
        for e in selector.match_expressions
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
