"""What webhooks, policies and bindings match: rules over resources, selectors, params. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pilothouse.api.field_errors import (
    FieldErrors,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_many,
)
from pilothouse.api.types.admissionregistration.v1 import (
    MatchCondition,
    MatchResources,
    NamedRuleWithOperations,
    ParamKind,
    ParamRef,
    RuleWithOperations,
    Variable,
)
from pilothouse.semantics.validation import names, selectors

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
FAILURE_POLICIES, MATCH_POLICIES = ("Fail", "Ignore"), ("Equivalent", "Exact")
REINVOCATIONS = ("IfNeeded", "Never")
_CONDITIONS = 64
_APART = "name and selector are mutually exclusive"
_RESERVED = frozenset(
    {
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop"),
        *("null", "namespace", "package", "return", "true", "var", "void", "while"),
    }
)
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*\Z", re.ASCII)


def one_of(path: str, value: str | None, supported: Sequence[str]) -> FieldErrors:
    """A value that must be there; an empty one is there, and not supported."""
    if value is None:
        return [required(path)]
    return [] if value in supported else [not_supported(path, value, supported)]


def known(path: str, value: str | None, supported: Sequence[str]) -> FieldErrors:
    """A value that may be left out."""
    return [] if value is None or value in supported else [not_supported(path, value, supported)]


def rule(path: str, found: RuleWithOperations) -> FieldErrors:
    errors = _list(f"{path}.operations", found.operations, "operations")
    for index, operation in enumerate(found.operations):
        errors += known(f"{path}.operations[{index}]", operation, OPERATIONS)
    errors += _list(f"{path}.apiGroups", found.api_groups, "API groups")
    errors += _list(f"{path}.apiVersions", found.api_versions, "API versions")
    blank = [index for index, version in enumerate(found.api_versions) if not version]
    errors += [required(f"{path}.apiVersions[{index}]") for index in blank]
    return errors + _resources(f"{path}.resources", found.resources) + known(f"{path}.scope", found.scope, SCOPES)


def _list(path: str, items: Sequence[str], what: str) -> FieldErrors:
    """Something, and nothing beside `*`."""
    if not items:
        return [required(path)]
    if len(items) > 1 and "*" in items:
        return [invalid(path, items, f"if '*' is present, must not specify other {what}")]
    return []


def _resources(path: str, found: Sequence[str]) -> FieldErrors:
    """Resources and subresources, none of them covered by an earlier one already."""
    errors = [] if found else [required(path)]
    whole: set[str] = set()  # x/*
    everywhere: set[str] = set()  # */x
    plain = False
    for index, text in enumerate(found):
        at = f"{path}[{index}]"
        if not text:
            errors.append(required(at))
            continue
        resource, slash, subresource = text.partition("/")
        if not slash:
            plain = text != "*"
            continue
        if resource in whole:
            errors.append(invalid(at, text, f"if '{resource}/*' is present, must not specify {text}"))
        if subresource in everywhere:
            errors.append(invalid(at, text, f"if '*/{subresource}' is present, must not specify {text}"))
        if subresource == "*":
            whole.add(resource)
        if resource == "*":
            everywhere.add(subresource)
    if len(found) > 1 and "*/*" in found:
        errors.append(invalid(path, found, "if '*/*' is present, must not specify other resources"))
    if "*" in found and plain:
        told = "if '*' is present, must not specify other resources without subresources"
        errors.append(invalid(path, found, told))
    return errors


def match_resources(path: str, found: MatchResources) -> FieldErrors:
    errors = one_of(f"{path}.matchPolicy", found.match_policy, MATCH_POLICIES)
    for name, selector in (
        ("namespaceSelector", found.namespace_selector),
        ("objectSelector", found.object_selector),
    ):
        at = f"{path}.{name}"
        errors += [required(at)] if selector is None else selectors.label_selector(at, selector)
    for name, rules in (
        ("resourceRules", found.resource_rules),
        ("excludeResourceRules", found.exclude_resource_rules),
    ):
        for index, one in enumerate(rules):
            errors += _named_rule(f"{path}.{name}[{index}]", one)
    return errors


def _named_rule(path: str, found: NamedRuleWithOperations) -> FieldErrors:
    errors: FieldErrors = []
    seen: set[str] = set()
    for index, name in enumerate(found.resource_names):
        at = f"{path}.resourceNames[{index}]"
        errors += [invalid(at, name, fault) for fault in names.path_segment(name)]
        if name in seen:
            errors.append(duplicate(at, name))
        seen.add(name)
    return errors + rule(path, found)


def match_constraints(path: str, found: MatchResources | None) -> FieldErrors:
    """What a policy is for: at least one rule, or its expressions have no types."""
    if found is None:
        return [required(path)]
    errors = match_resources(path, found)
    return errors if found.resource_rules else [*errors, required(f"{path}.resourceRules")]


def match_conditions(path: str, found: Sequence[MatchCondition]) -> FieldErrors:
    if len(found) > _CONDITIONS:
        return [too_many(path, len(found), _CONDITIONS)]
    errors: FieldErrors = []
    seen: set[str] = set()
    for index, condition in enumerate(found):
        at = f"{path}[{index}]"
        name = condition.name
        if not condition.expression.strip():
            errors.append(required(f"{at}.expression"))
        if not name:
            errors.append(required(f"{at}.name"))
            continue
        errors += [invalid(f"{at}.name", name, fault) for fault in names.qualified_name(name)]
        if name in seen:
            errors.append(duplicate(f"{at}.name", name))
        seen.add(name)
    return errors


def variables(path: str, found: Sequence[Variable]) -> FieldErrors:
    errors: FieldErrors = []
    for index, variable in enumerate(found):
        at = f"{path}[{index}]"
        name = variable.name
        if not name:
            errors.append(required(f"{at}.name", "name is not specified"))
        elif not _IDENTIFIER.match(name) or name in _RESERVED:
            errors.append(invalid(f"{at}.name", name, "must be a valid CEL identifier"))
        if not variable.expression.strip():
            errors.append(required(f"{at}.expression", "expression is not specified"))
    return errors


def param_kind(path: str, found: ParamKind) -> FieldErrors:
    at, kind = f"{path}.apiVersion", found.kind
    errors = _api_version(at, found.api_version) if found.api_version else [required(at)]
    if not kind:
        return [*errors, required(f"{path}.kind")]
    faults = names.dns1035_label(kind.lower())
    if faults:
        told = f"may have mixed case, but should otherwise match: {','.join(faults)}"
        errors.append(invalid(f"{path}.kind", kind, told))
    return errors


def _api_version(path: str, text: str) -> FieldErrors:
    group, _slash, version = text.rpartition("/")
    if "/" in group:
        return [invalid(path, text, f"unexpected GroupVersion string: {text}")]
    errors: FieldErrors = []
    if group and (faults := names.dns_subdomain(group)):
        errors.append(invalid(path, group, ",".join(faults)))
    if not version:
        errors.append(invalid(path, text, "version must be specified"))
    elif faults := names.dns1035_label(version):
        errors.append(invalid(path, version, ",".join(faults)))
    return errors


def param_ref(path: str, found: ParamRef | None) -> FieldErrors:
    if found is None:
        return []
    errors: FieldErrors = []
    name, selector = found.name, found.selector
    if name:
        errors += [invalid(f"{path}.name", name, fault) for fault in names.path_segment(name)]
        errors += [forbidden(f"{path}.name", _APART)] if selector is not None else []
    if selector is not None:
        errors += selectors.label_selector(f"{path}.selector", selector)
        errors += [forbidden(f"{path}.selector", _APART)] if name else []
    if not name and selector is None:
        errors.append(required(path, "one of name or selector must be specified"))
    return errors + one_of(
        f"{path}.parameterNotFoundAction", found.parameter_not_found_action or None, ("Deny", "Allow")
    )


def policy_name(path: str, name: str) -> FieldErrors:
    return [invalid(path, name, fault) for fault in names.dns_subdomain(name)] if name else [required(path)]
