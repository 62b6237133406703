"""Validation of a FlowSchema's spec. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, all_invalid, forbidden, invalid, not_supported, required
from pilothouse.api.types.flowcontrol.v1 import (
    FlowSchemaSpec,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
)
from pilothouse.semantics.validation.names import dns_label, dns_subdomain

METHODS = ("ByNamespace", "ByUser")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
KINDS = ("Group", "ServiceAccount", "User")
LAST_PRECEDENCE = 10000
_ALL = "*"
_NAMESPACE = "each member of this list must be '*' or a DNS-1123 label; "


def spec(name: str, found: FlowSchemaSpec) -> FieldErrors:
    """Errors of the spec of the schema `name`."""
    errors: FieldErrors = []
    at, precedence = "spec.matchingPrecedence", found.matching_precedence
    if precedence <= 0:
        errors.append(invalid(at, precedence, "must be a positive value"))
    if precedence > LAST_PRECEDENCE:
        errors.append(invalid(at, precedence, f"must not be greater than {LAST_PRECEDENCE}"))
    if precedence == 1 and name != "exempt":
        detail = "only the schema named 'exempt' may have matchingPrecedence 1"
        errors.append(invalid(at, precedence, detail))
    method = found.distinguisher_method
    if method is not None and method.type not in METHODS:
        errors.append(not_supported("spec.distinguisherMethod.type", method, METHODS))
    level, at = found.priority_level_configuration.name, "spec.priorityLevelConfiguration.name"
    if level:
        errors += all_invalid(at, level, dns_subdomain(level, False))
    else:
        errors.append(required(at, "must reference a priority level"))
    for index, rule in enumerate(found.rules):
        errors += _rule(f"spec.rules[{index}]", rule)
    return errors


def _rule(path: str, rule: PolicyRulesWithSubjects) -> FieldErrors:
    errors: FieldErrors = []
    if not rule.subjects:
        errors.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    for index, subject in enumerate(rule.subjects or ()):
        errors += _subject(f"{path}.subjects[{index}]", subject)
    if not rule.resource_rules and not rule.non_resource_rules:
        detail = "at least one of resourceRules and nonResourceRules has to be non-empty"
        errors.append(required(path, detail))
    for index, resource in enumerate(rule.resource_rules):
        errors += _resource_rule(f"{path}.resourceRules[{index}]", resource)
    for index, other in enumerate(rule.non_resource_rules):
        errors += _non_resource_rule(f"{path}.nonResourceRules[{index}]", other)
    return errors


def _subject(path: str, subject: Subject) -> FieldErrors:
    if subject.kind not in KINDS:
        return [not_supported(f"{path}.kind", subject.kind, KINDS)]
    errors: FieldErrors = []
    for kind, name, value in (
        ("ServiceAccount", "serviceAccount", subject.service_account),
        ("User", "user", subject.user),
        ("Group", "group", subject.group),
    ):
        at = f"{path}.{name}"
        if kind != subject.kind:
            if value is not None:
                errors.append(forbidden(at, f"{name} is forbidden when subject kind is not '{kind}'"))
        elif value is None:
            errors.append(required(at, f"{name} is required when subject kind is '{kind}'"))
        elif isinstance(value, ServiceAccountSubject):
            errors += _account(at, value)
        elif not value.name:
            errors.append(required(f"{at}.name"))
    return errors


def _account(path: str, account: ServiceAccountSubject) -> FieldErrors:
    errors: FieldErrors = []
    if not account.name:
        errors.append(required(f"{path}.name"))
    elif account.name != _ALL:
        errors += all_invalid(f"{path}.name", account.name, dns_subdomain(account.name, False))
    at = f"{path}.namespace"
    if account.namespace:
        return errors + all_invalid(at, account.namespace, dns_label(account.namespace, False))
    return [*errors, required(at, "must specify namespace for service account")]


def _verbs(path: str, verbs: Sequence[str]) -> FieldErrors:
    if not verbs:
        return [required(path, "verbs must contain at least one value")]
    if _ALL in verbs:
        return _alone(path, verbs, "verbs")
    return [] if set(verbs) <= set(VERBS) else [not_supported(path, verbs, VERBS)]


def _alone(path: str, found: Sequence[str], what: str) -> FieldErrors:
    """`*` stands for all, so nothing stands beside it."""
    if _ALL not in found or len(found) == 1:
        return []
    return [invalid(path, found, f"if '*' is present, must not specify other {what}")]


def _resource_rule(path: str, rule: ResourcePolicyRule) -> FieldErrors:
    errors = _verbs(f"{path}.verbs", rule.verbs or ())
    for name, found, missing, what in (
        ("apiGroups", rule.api_groups or (), "at least one api group", "api groups"),
        ("resources", rule.resources or (), "at least one resource", "resources"),
    ):
        at = f"{path}.{name}"
        errors += _alone(at, found, what) if found else [required(at, f"resource rules must supply {missing}")]
    at, namespaces = f"{path}.namespaces", rule.namespaces or ()
    if not namespaces and not rule.cluster_scope:
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        return [*errors, required(at, detail)]
    if _ALL in namespaces:
        return errors + _alone(at, namespaces, "namespaces")
    for index, namespace in enumerate(namespaces):
        errors += [invalid(f"{at}[{index}]", namespace, _NAMESPACE + fault) for fault in dns_label(namespace, False)]
    return errors


def _non_resource_rule(path: str, rule: NonResourcePolicyRule) -> FieldErrors:
    errors = _verbs(f"{path}.verbs", rule.verbs or ())
    at, urls = f"{path}.nonResourceURLs", rule.non_resource_urls or ()
    if not urls:
        return [*errors, required(at, "nonResourceURLs must contain at least one value")]
    if _ALL in urls:
        return errors + _alone(at, urls, "non-resource URLs")
    for index, url in enumerate(urls):
        if fault := _url_fault(url):
            errors.append(invalid(f"{at}[{index}]", url, fault))
    return errors


def _url_fault(url: str) -> str:
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    return "wildcard can only do suffix matching" if stars > 1 or (stars and not url.endswith("/*")) else ""
