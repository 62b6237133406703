"""Terms of pod affinity and anti-affinity, compiled once per pod. Pure.

matchLabelKeys and mismatchLabelKeys were merged into the label selector when the pod was created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.api.selectors import NOTHING, LabelSelector, Matcher, of_object
from pilothouse.api.types.core.v1 import Pod, PodAffinityTerm


@dataclass(frozen=True, slots=True)
class Term:
    """A term ready for matching many pods. `weight` is 0 for required terms."""

    topology_key: str
    namespaces: frozenset[str]
    namespace_selector: LabelSelector
    selector: LabelSelector
    labels_match: Matcher
    weight: int = 0

    def matches(self, pod: Pod, namespace_labels: Mapping[str, str]) -> bool:
        """Whether `pod` is one of those the term speaks of; `namespace_labels` are those of the pod's namespace."""
        namespace = pod.metadata.namespace
        if namespace not in self.namespaces and not self.namespace_selector.matches(namespace_labels):
            return False
        return self.labels_match(pod.metadata.labels)


def compile_term(owner: Pod, term: PodAffinityTerm, weight: int = 0) -> Term:
    """Without namespaces and namespaceSelector, a term speaks of the owner's own namespace."""
    namespaces = frozenset(term.namespaces)
    if not namespaces and term.namespace_selector is None:
        namespaces = frozenset((owner.metadata.namespace,))
    selector = of_object(term.label_selector)
    among = of_object(term.namespace_selector) if term.namespace_selector is not None else NOTHING
    return Term(term.topology_key, namespaces, among, selector, selector.compiled(), weight)


def required_affinity(pod: Pod) -> Sequence[Term]:
    affinity = pod.spec.affinity.pod_affinity if pod.spec.affinity else None
    if affinity is None:
        return ()
    return [compile_term(pod, t) for t in affinity.required_during_scheduling_ignored_during_execution]


def required_anti_affinity(pod: Pod) -> Sequence[Term]:
    affinity = pod.spec.affinity.pod_anti_affinity if pod.spec.affinity else None
    if affinity is None:
        return ()
    return [compile_term(pod, t) for t in affinity.required_during_scheduling_ignored_during_execution]


def preferred_affinity(pod: Pod) -> Sequence[Term]:
    affinity = pod.spec.affinity.pod_affinity if pod.spec.affinity else None
    if affinity is None:
        return ()
    terms = affinity.preferred_during_scheduling_ignored_during_execution
    return [compile_term(pod, t.pod_affinity_term, t.weight) for t in terms]


def preferred_anti_affinity(pod: Pod) -> Sequence[Term]:
    affinity = pod.spec.affinity.pod_anti_affinity if pod.spec.affinity else None
    if affinity is None:
        return ()
    terms = affinity.preferred_during_scheduling_ignored_during_execution
    return [compile_term(pod, t.pod_affinity_term, t.weight) for t in terms]
