"""Which nodes a pod's nodeSelector and node affinity allow, and how much it prefers each. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core.v1 import Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec


def requirement_matches(requirement: NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Whether `labels` meet one requirement; an unknown operator or a bound that is no number matches nothing."""
    held = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return held is not None and held in requirement.values
        case "NotIn":
            return held is None or held not in requirement.values
        case "Exists":
            return held is not None
        case "DoesNotExist":
            return held is None
        case "Gt" | "Lt" if held is not None and len(requirement.values) == 1:
            return _compares(held, requirement.operator, requirement.values[0])
    return False


def _compares(held: str, operator: str, bound: str) -> bool:
    try:
        return int(held) > int(bound) if operator == "Gt" else int(held) < int(bound)
    except ValueError:
        return False


def term_matches(term: NodeSelectorTerm, labels: Mapping[str, str], name: str) -> bool:
    """All expressions and fields of a term must hold; a term without any matches no node."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {"metadata.name": name}
    return all(requirement_matches(r, labels) for r in term.match_expressions) and all(
        requirement_matches(r, fields) for r in term.match_fields
    )


def selector_matches(selector: NodeSelector, labels: Mapping[str, str], name: str) -> bool:
    """One matching term is enough; no terms match nothing."""
    return any(term_matches(t, labels, name) for t in selector.node_selector_terms or ())


def required_matches(spec: PodSpec, node: Node) -> bool:
    """Whether nodeSelector and required node affinity allow the node."""
    labels, name = node.metadata.labels, node.metadata.name
    if spec.node_selector and not spec.node_selector.items() <= labels.items():
        return False
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required is None or selector_matches(required, labels, name)


def preference(spec: PodSpec, node: Node) -> int:
    """The sum of weights of the preferred terms that the node matches; an empty term matches every node."""
    affinity = spec.affinity.node_affinity if spec.affinity else None
    if affinity is None:
        return 0
    total = 0
    for preferred in affinity.preferred_during_scheduling_ignored_during_execution:
        term = preferred.preference
        if not (term.match_expressions or term.match_fields) or term_matches(
            term, node.metadata.labels, node.metadata.name
        ):
            total += preferred.weight
    return total


def required_names(spec: PodSpec) -> frozenset[str] | None:
    """The names of the only nodes that required node affinity allows, if each of its terms names some; None: it does
    not tell. Empty if the terms contradict themselves."""
    affinity = spec.affinity.node_affinity if spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    allowed: frozenset[str] | None = None
    for term in (required.node_selector_terms or ()) if required is not None else ():
        named = [f.values for f in term.match_fields if (f.key, f.operator) == ("metadata.name", "In")]
        if not named:
            return None
        names = frozenset(named[0]).intersection(*named[1:])
        allowed = names if allowed is None else allowed | names
    return allowed
