"""What rules, role references and subjects must be. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, invalid, not_supported, required
from pilothouse.api.types.rbac.v1 import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from pilothouse.kinds.rbac.subjects import GROUP
from pilothouse.semantics.validation.names import dns_subdomain, path_segment
from pilothouse.semantics.validation.selectors import label_selector

_SUBJECTS = ("ServiceAccount", "User", "Group")


def role(obj: Role) -> FieldErrors:
    """A role's rules are about resources."""
    return [e for i, r in enumerate(obj.rules or ()) for e in _rule(r, f"rules[{i}]", namespaced=True)]


def cluster_role(obj: ClusterRole) -> FieldErrors:
    """Rules about resources or about paths, and what is aggregated."""
    found = [e for i, r in enumerate(obj.rules or ()) for e in _rule(r, f"rules[{i}]", namespaced=False)]
    if obj.aggregation_rule is None:
        return found
    path = "aggregationRule.clusterRoleSelectors"
    selectors = obj.aggregation_rule.cluster_role_selectors
    if not selectors:
        found.append(required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
    for index, selector in enumerate(selectors):
        at = f"{path}[{index}]"
        faults = label_selector(at, selector)
        found += [*faults, invalid(at, None, "invalid label selector.")] if faults else []
    return found


def _rule(rule: PolicyRule, path: str, *, namespaced: bool) -> FieldErrors:
    found: FieldErrors = []
    if not rule.verbs:
        found.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    urls = rule.non_resource_urls
    if urls:
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            found.append(invalid(f"{path}.nonResourceURLs", urls, text))
        if rule.api_groups or rule.resources or rule.resource_names:
            text = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(invalid(f"{path}.nonResourceURLs", urls, text))
        return found
    if not rule.api_groups:
        found.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.resources:
        found.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return found


def role_binding(obj: RoleBinding) -> FieldErrors:
    return _reference(obj.role_ref, ("Role", "ClusterRole")) + _subjects(obj.subjects, namespaced=True)


def cluster_role_binding(obj: ClusterRoleBinding) -> FieldErrors:
    return _reference(obj.role_ref, ("ClusterRole",)) + _subjects(obj.subjects, namespaced=False)


def role_binding_update(new: RoleBinding, old: RoleBinding) -> FieldErrors:
    return role_binding(new) + _same(new.role_ref, old.role_ref)


def cluster_role_binding_update(new: ClusterRoleBinding, old: ClusterRoleBinding) -> FieldErrors:
    return cluster_role_binding(new) + _same(new.role_ref, old.role_ref)


def _same(new: RoleRef, old: RoleRef) -> FieldErrors:
    return [] if new == old else [invalid("roleRef", new, "cannot change roleRef")]


def _reference(reference: RoleRef, kinds: Sequence[str]) -> FieldErrors:
    found: FieldErrors = []
    if reference.api_group != GROUP:
        found.append(not_supported("roleRef.apiGroup", reference.api_group, (GROUP,)))
    if reference.kind not in kinds:
        found.append(not_supported("roleRef.kind", reference.kind, kinds))
    if not reference.name:
        found.append(required("roleRef.name"))
    return found + [invalid("roleRef.name", reference.name, fault) for fault in path_segment(reference.name)]


def _subjects(subjects: Sequence[Subject], *, namespaced: bool) -> FieldErrors:
    return [e for i, s in enumerate(subjects) for e in _subject(s, f"subjects[{i}]", namespaced)]


def _subject(subject: Subject, path: str, namespaced: bool) -> FieldErrors:
    found: FieldErrors = [] if subject.name else [required(f"{path}.name")]
    if subject.kind == "ServiceAccount":
        if subject.name:
            found += [invalid(f"{path}.name", subject.name, fault) for fault in dns_subdomain(subject.name)]
        if subject.api_group:
            found.append(not_supported(f"{path}.apiGroup", subject.api_group, ("",)))
        if not namespaced and not subject.namespace:
            found.append(required(f"{path}.namespace"))
    elif subject.kind in _SUBJECTS:
        if subject.api_group != GROUP:
            found.append(not_supported(f"{path}.apiGroup", subject.api_group, (GROUP,)))
    else:
        found.append(not_supported(f"{path}.kind", subject.kind, _SUBJECTS))
    return found
