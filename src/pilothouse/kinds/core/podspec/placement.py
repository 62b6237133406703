"""Where a pod may run: node and pod affinity, tolerations, topology spread, scheduling gates. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, not_supported, required
from pilothouse.api.types.core import v1 as core
from pilothouse.api.types.meta.v1 import LabelSelector
from pilothouse.kinds.core.podspec import checks
from pilothouse.semantics.validation import selectors
from pilothouse.semantics.validation.names import dns_label, dns_subdomain, label_value

_WEIGHT = "must be in the range 1-100"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
NODE_POLICIES = ("Honor", "Ignore")


def node_requirement(path: str, wanted: core.NodeSelectorRequirement, *, lenient: bool = False) -> FieldErrors:
    """`lenient`: values that no label can have are let pass, as a mere preference may have them."""
    found: FieldErrors = []
    count = len(wanted.values)
    if wanted.operator in ("In", "NotIn"):
        if not count:
            found.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif wanted.operator in ("Exists", "DoesNotExist"):
        if count:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(forbidden(f"{path}.values", detail))
    elif wanted.operator in ("Gt", "Lt"):
        if count != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            found.append(required(f"{path}.values", detail))
    else:
        found.append(invalid(f"{path}.operator", wanted.operator, "not a valid selector operator"))
    found += selectors.label_name(f"{path}.key", wanted.key)
    for index, value in enumerate(() if lenient else wanted.values):
        found += [invalid(f"{path}.values[{index}]", value, fault) for fault in label_value(value)]
    return found


def _node_field(path: str, wanted: core.NodeSelectorRequirement) -> FieldErrors:
    found: FieldErrors = []
    if wanted.operator in ("In", "NotIn"):
        if len(wanted.values) != 1:
            detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            found.append(required(f"{path}.values", detail))
    else:
        found.append(invalid(f"{path}.operator", wanted.operator, "not a valid selector operator"))
    if wanted.key != "metadata.name":
        return [*found, invalid(f"{path}.key", wanted.key, "not a valid field selector key")]
    for index, value in enumerate(wanted.values):
        found += [invalid(f"{path}.values[{index}]", value, fault) for fault in dns_subdomain(value, False)]
    return found


def node_term(path: str, term: core.NodeSelectorTerm, *, lenient: bool = False) -> FieldErrors:
    found: FieldErrors = []
    for index, wanted in enumerate(term.match_expressions):
        found += node_requirement(f"{path}.matchExpressions[{index}]", wanted, lenient=lenient)
    for index, wanted in enumerate(term.match_fields):
        found += _node_field(f"{path}.matchFields[{index}]", wanted)
    return found


def node_selector(path: str, selector: core.NodeSelector) -> FieldErrors:
    terms = selector.node_selector_terms or ()
    if not terms:
        return [required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    return checks.flat(node_term(f"{path}.nodeSelectorTerms[{i}]", term) for i, term in enumerate(terms))


def _node_affinity(path: str, affinity: core.NodeAffinity) -> FieldErrors:
    found: FieldErrors = []
    wanted = affinity.required_during_scheduling_ignored_during_execution
    if wanted is not None:
        found += node_selector(f"{path}.requiredDuringSchedulingIgnoredDuringExecution", wanted)
    for index, term in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        if not 1 <= term.weight <= 100:
            found.append(invalid(f"{at}.weight", term.weight, _WEIGHT))
        found += node_term(f"{at}.preference", term.preference, lenient=True)
    return found


def _label_keys(path: str, name: str, keys: Sequence[str], selector: LabelSelector | None) -> FieldErrors:
    if not keys:
        return []
    at = f"{path}.{name}"
    if selector is None:
        return [forbidden(at, "must not be specified when labelSelector is not set")]
    found: FieldErrors = []
    for index, key in enumerate(keys):
        found += selectors.label_name(f"{at}[{index}]", key)
    return found


def _selected_already(path: str, keys: Sequence[str], selector: LabelSelector | None) -> FieldErrors:
    """Those of `keys` that the selector asks for beside the requirement that a key itself became, each told where it
    stands last among the keys, once for each requirement more; `path` is that of what has the keys."""
    if selector is None or not keys:
        return []
    last = {key: index for index, key in enumerate(keys)}
    asked = set(selector.match_labels)
    found: FieldErrors = []
    for wanted in selector.match_expressions:
        if wanted.key in last and wanted.key in asked:
            detail = "exists in both matchLabelKeys and labelSelector"
            found.append(invalid(f"{path}[{last[wanted.key]}]", wanted.key, detail))
        asked.add(wanted.key)
    return found


def _pod_term(path: str, term: core.PodAffinityTerm) -> FieldErrors:
    found: FieldErrors = []
    if term.label_selector is not None:
        found += selectors.label_selector(f"{path}.labelSelector", term.label_selector)
    if term.namespace_selector is not None:
        found += selectors.label_selector(f"{path}.namespaceSelector", term.namespace_selector)
    for name in term.namespaces:
        found += [invalid(f"{path}.namespace", name, fault) for fault in dns_label(name, False)]
    found += _label_keys(path, "matchLabelKeys", term.match_label_keys, term.label_selector)
    found += _label_keys(path, "mismatchLabelKeys", term.mismatch_label_keys, term.label_selector)
    found += _selected_already(path, term.match_label_keys, term.label_selector)
    for index, key in enumerate(term.match_label_keys):
        if key in term.mismatch_label_keys:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            found.append(invalid(f"{path}.matchLabelKeys[{index}]", key, detail))
    if not term.topology_key:
        found.append(required(f"{path}.topologyKey", "can not be empty"))
    return found + selectors.label_name(f"{path}.topologyKey", term.topology_key)


def _pod_affinity(path: str, affinity: core.PodAffinity | core.PodAntiAffinity) -> FieldErrors:
    found: FieldErrors = []
    for index, term in enumerate(affinity.required_during_scheduling_ignored_during_execution):
        found += _pod_term(f"{path}.requiredDuringSchedulingIgnoredDuringExecution[{index}]", term)
    for index, weighted in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        if not 1 <= weighted.weight <= 100:
            found.append(invalid(f"{at}.weight", weighted.weight, _WEIGHT))
        found += _pod_term(f"{at}.podAffinityTerm", weighted.pod_affinity_term)
    return found


def affinity(path: str, found: core.Affinity) -> FieldErrors:
    errors: FieldErrors = []
    if found.node_affinity is not None:
        errors += _node_affinity(f"{path}.nodeAffinity", found.node_affinity)
    if found.pod_affinity is not None:
        errors += _pod_affinity(f"{path}.podAffinity", found.pod_affinity)
    if found.pod_anti_affinity is not None:
        errors += _pod_affinity(f"{path}.podAntiAffinity", found.pod_anti_affinity)
    return errors


def tolerations(path: str, found: Sequence[core.Toleration]) -> FieldErrors:
    errors: FieldErrors = []
    for index, one in enumerate(found):
        at = f"{path}[{index}]"
        if one.key:
            errors += selectors.label_name(f"{at}.key", one.key)
        elif one.operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(invalid(f"{at}.operator", one.operator, detail))
        if one.toleration_seconds is not None and one.effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid(f"{at}.effect", one.effect, detail))
        if one.operator in ("Equal", ""):
            if faults := label_value(one.value):
                errors.append(invalid(f"{at}.operator", one.value, ";".join(faults)))
        elif one.operator == "Exists":
            if one.value:
                detail = "value must be empty when `operator` is 'Exists'"
                errors.append(invalid(f"{at}.operator", one.value, detail))
        elif one.operator in ("Gt", "Lt"):  # of a feature that is off by default, and named all the same
            errors.append(not_supported(f"{at}.operator", one.operator, ("Equal", "Exists", "Lt", "Gt")))
        else:
            # Operators that compare are known, but not switched on: they are named to those who use them.
            known = ("Equal", "Exists", "Lt", "Gt") if one.operator in ("Lt", "Gt") else ("Equal", "Exists")
            errors.append(not_supported(f"{at}.operator", one.operator, known))
        if one.effect:
            errors += checks.one_of(f"{at}.effect", one.effect, EFFECTS)
    return errors


def topology_spread(path: str, found: Sequence[core.TopologySpreadConstraint]) -> FieldErrors:
    errors: FieldErrors = []
    last = {_spread_key(one): index for index, one in enumerate(found)}
    for index, one in enumerate(found):
        at = f"{path}[{index}]"
        if one.max_skew <= 0:
            errors.append(invalid(f"{at}.maxSkew", one.max_skew, "must be greater than zero"))
        if not one.topology_key:
            errors.append(required(f"{at}.topologyKey", "can not be empty"))
        if one.when_unsatisfiable not in UNSATISFIABLE:
            errors.append(not_supported(f"{at}.whenUnsatisfiable", one.when_unsatisfiable, UNSATISFIABLE))
        if last[_spread_key(one)] > index:
            shown = f"{{{one.topology_key}, {one.when_unsatisfiable}}}"
            errors.append(duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", shown))
        if one.min_domains is not None:
            if one.min_domains <= 0:
                errors.append(invalid(f"{at}.minDomains", one.min_domains, "must be greater than zero"))
            if one.when_unsatisfiable != "DoNotSchedule":
                detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {one.when_unsatisfiable}"
                errors.append(invalid(f"{at}.minDomains", one.min_domains, detail))
        for name, policy in (
            ("nodeAffinityPolicy", one.node_affinity_policy),
            ("nodeTaintsPolicy", one.node_taints_policy),
        ):
            if policy is not None and policy not in NODE_POLICIES:
                errors.append(not_supported(f"{at}.{name}", policy, NODE_POLICIES))
        errors += _spread_keys(at, one)
        if one.label_selector is not None:
            errors += selectors.label_selector(f"{at}.labelSelector", one.label_selector)
    return errors


def _spread_key(one: core.TopologySpreadConstraint) -> tuple[str, str]:
    return one.topology_key, one.when_unsatisfiable


def _spread_keys(path: str, one: core.TopologySpreadConstraint) -> FieldErrors:
    found = _label_keys(path, "matchLabelKeys", one.match_label_keys, one.label_selector)
    return found + _selected_already(path, one.match_label_keys, one.label_selector)


def gates(path: str, found: Sequence[core.PodSchedulingGate]) -> FieldErrors:
    errors: FieldErrors = []
    seen: set[str] = set()
    for index, gate in enumerate(found):
        at = f"{path}[{index}]"
        errors += checks.qualified(at, gate.name)
        if gate.name in seen:
            errors.append(duplicate(at, gate.name))
        seen.add(gate.name)
    return errors


def merged_label_keys(spec: core.PodSpec, labels: Mapping[str, str]) -> core.PodSpec:
    """`matchLabelKeys` become requirements of the selectors beside them, from the pod's own labels."""
    from msgspec.structs import replace

    from pilothouse.api.types.meta.v1 import LabelSelectorRequirement

    def with_keys(selector: LabelSelector | None, keys: Sequence[str], operator: str) -> LabelSelector | None:
        if selector is None or not keys:
            return selector
        extra = tuple(
            LabelSelectorRequirement(key=k, operator=operator, values=(labels[k],)) for k in keys if k in labels
        )
        return replace(selector, match_expressions=(*selector.match_expressions, *extra))

    def term(one: core.PodAffinityTerm) -> core.PodAffinityTerm:
        if not one.match_label_keys and not one.mismatch_label_keys:
            return one
        selector = with_keys(one.label_selector, one.match_label_keys, "In")
        return replace(one, label_selector=with_keys(selector, one.mismatch_label_keys, "NotIn"))

    def both(one: core.PodAffinity | core.PodAntiAffinity | None) -> core.PodAffinity | core.PodAntiAffinity | None:
        if one is None:
            return None
        wanted = tuple(map(term, one.required_during_scheduling_ignored_during_execution))
        preferred = tuple(
            replace(weighted, pod_affinity_term=term(weighted.pod_affinity_term))
            for weighted in one.preferred_during_scheduling_ignored_during_execution
        )
        return replace(
            one,
            required_during_scheduling_ignored_during_execution=wanted,
            preferred_during_scheduling_ignored_during_execution=preferred,
        )

    changes: dict[str, object] = {}
    if spec.affinity is not None and (spec.affinity.pod_affinity or spec.affinity.pod_anti_affinity):
        changes["affinity"] = replace(
            spec.affinity,
            pod_affinity=both(spec.affinity.pod_affinity),
            pod_anti_affinity=both(spec.affinity.pod_anti_affinity),
        )
    if any(one.match_label_keys for one in spec.topology_spread_constraints):
        changes["topology_spread_constraints"] = tuple(
            replace(one, label_selector=with_keys(one.label_selector, one.match_label_keys, "In"))
            for one in spec.topology_spread_constraints
        )
    return replace(spec, **changes) if changes else spec
