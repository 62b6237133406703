"""InterPodAffinity: pods that want to be near others or away from them, and pods there already that say so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pilothouse.api.types.core.v1 import Pod
from pilothouse.scheduler.framework import MAX_SCORE, Change, ClusterEvent, Cycle, Hint, Rejection
from pilothouse.scheduler.snapshot import BoolColumn, FloatColumn, IntColumn, PodInfo, View
from pilothouse.scheduler.snapshot.snapshot import PodMatcher, Snapshot
from pilothouse.scheduler.snapshot.terms import term_key
from pilothouse.semantics.pod_affinity import Term, required_anti_affinity

EXISTING_ANTI = "node(s) didn't satisfy existing pods anti-affinity rules"
AFFINITY = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
# How much it counts that a pod which is there insists on having this one near.
HARD_WEIGHT = 1


def _matcher(snapshot: Snapshot, terms: Sequence[Term]) -> PodMatcher:
    """Pods that every term speaks of."""
    labels_of = snapshot.namespace_labels

    def matches(info: PodInfo) -> bool:
        among = labels_of.get(info.namespace, {})
        return all(term.matches(info.pod, among) for term in terms)

    return matches


def _count(cycle: Cycle, terms: Sequence[Term]) -> IntColumn:
    key = ("affinity", *(term_key(t)[1:] for t in terms))
    return cycle.snapshot.count(key, _matcher(cycle.snapshot, terms))


def _in_domains(view: View, key: str, sums: IntColumn) -> IntColumn:
    """For each node of the view, the sum of its domain; 0 where the label is missing."""
    codes = view.labels(key)
    if not len(sums):
        return np.zeros(len(view), dtype=np.int64)
    return np.where(codes >= 0, sums[codes], 0)


def _may_match(term: Term, pod: Pod) -> bool:
    """Whether a term speaks of a pod, as far as can be told without the labels of its namespace."""
    near = pod.metadata.namespace in term.namespaces or not term.namespace_selector.nothing
    return near and term.labels_match(pod.metadata.labels)


def _shunned_by(info: PodInfo, other: Pod) -> bool:
    """Whether another pod wants this one away."""
    return any(_may_match(term, info.pod) for term in required_anti_affinity(other))


def _near_all(info: PodInfo, other: Pod) -> bool:
    terms = info.profile.required_affinity
    return bool(terms) and all(_may_match(term, other) for term in terms)


def _company_came(pod: PodInfo, event: ClusterEvent) -> bool:
    return event.new is None or _near_all(pod, event.new)


def _company_changed(pod: PodInfo, event: ClusterEvent) -> bool:
    """A pod became one that the affinity asks for, or is no longer one that the anti-affinity shuns; or it no longer
    minds this one."""
    if event.old is None or event.new is None:
        return True
    if _near_all(pod, event.new) and not _near_all(pod, event.old):
        return True
    if any(_may_match(t, event.old) and not _may_match(t, event.new) for t in pod.profile.required_anti_affinity):
        return True
    return _shunned_by(pod, event.old)


def _company_left(pod: PodInfo, event: ClusterEvent) -> bool:
    if event.old is None:
        return True
    return any(_may_match(t, event.old) for t in pod.profile.required_anti_affinity) or _shunned_by(pod, event.old)


def _node_came(pod: PodInfo, event: ClusterEvent) -> bool:
    """Any node helps who shuns others or is shunned; who needs company needs a node in some domain."""
    terms = pod.profile.required_affinity
    if pod.profile.required_anti_affinity or not terms or event.new is None:
        return True
    return any(term.topology_key in event.new.metadata.labels for term in terms)


def _node_moved(pod: PodInfo, event: ClusterEvent) -> bool:
    """A node came into, went from one to another, or left a domain that the pod's terms speak of."""
    near, away = pod.profile.required_affinity, pod.profile.required_anti_affinity
    if event.old is None or event.new is None or not (near or away):
        return True
    old, new = event.old.metadata.labels, event.new.metadata.labels
    joined = any(new.get(t.topology_key) not in (None, old.get(t.topology_key)) for t in near)
    return joined or any(old.get(t.topology_key) not in (None, new.get(t.topology_key)) for t in away)


class InterPodAffinity:
    name = "InterPodAffinity"
    events: Mapping[Change, Hint | None] = {
        Change.POD_PLACED: _company_came,
        Change.POD_CHANGED: _company_changed,
        Change.POD_GONE: _company_left,
        Change.NODE_ADDED: _node_came,
        Change.NODE_LABELS: _node_moved,
        Change.NAMESPACE_LABELS: None,
        Change.SELF_CHANGED: None,
    }

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        profile = cycle.pod.profile
        if profile.required_affinity:
            away = self._no_affinity(cycle, view, profile.required_affinity)
            if away.any():
                yield Rejection(away, AFFINITY, resolvable=False)
                if away.all():
                    return
        else:
            away = np.zeros(len(view), dtype=bool)
        against = away.copy()
        for term in profile.required_anti_affinity:
            name = f"{self.name}/anti/{term_key(term)}"
            sums = cycle.once(name, lambda t=term: cycle.snapshot.domain_sums(t.topology_key, _count(cycle, [t])))  # type: ignore[misc]
            against |= _in_domains(view, term.topology_key, sums) > 0
        if (against & ~away).any():
            yield Rejection(against & ~away, ANTI_AFFINITY)
        unwanted = self._unwanted(cycle, view) & ~against
        if unwanted.any():
            yield Rejection(unwanted, EXISTING_ANTI)

    def _no_affinity(self, cycle: Cycle, view: View, terms: Sequence[Term]) -> BoolColumn:
        """Nodes without company that all terms speak of. The first of a group, which only its own kind could keep
        company, may go anywhere."""
        counts = _count(cycle, terms)
        labelled = np.ones(len(view), dtype=bool)
        satisfied = np.ones(len(view), dtype=bool)
        nobody = True
        for term in terms:
            sums = cycle.once(
                f"{self.name}/near/{term_key(term)}/{len(terms)}",
                lambda t=term: cycle.snapshot.domain_sums(t.topology_key, counts),  # type: ignore[misc]
            )
            nobody = nobody and not sums.any()
            labelled &= view.labels(term.topology_key) >= 0
            satisfied &= _in_domains(view, term.topology_key, sums) > 0
        if nobody and _matcher(cycle.snapshot, terms)(cycle.pod):
            satisfied[:] = True
        return ~(labelled & satisfied)

    def _unwanted(self, cycle: Cycle, view: View) -> BoolColumn:
        """Nodes near pods that want this one away."""
        found = np.zeros(len(view), dtype=bool)
        snapshot = cycle.snapshot
        among = snapshot.namespace_labels.get(cycle.pod.namespace, {})
        for held in snapshot.terms.of_kind("anti"):
            if held.term.matches(cycle.pod.pod, among):
                key = held.term.topology_key
                sums = cycle.once(f"{self.name}/{held.column}", lambda h=held, k=key: self._sums(snapshot, k, h.column))  # type: ignore[misc]
                found |= _in_domains(view, key, sums) > 0
        return found

    @staticmethod
    def _sums(snapshot: Snapshot, key: str, column: str) -> IntColumn:
        return snapshot.domain_sums(key, snapshot.columns[column])

    def pre_score(self, cycle: Cycle, view: View) -> bool:
        profile = cycle.pod.profile
        if profile.preferred_affinity or profile.preferred_anti_affinity:
            return True
        return next(cycle.snapshot.terms.of_kind("soft", "hard"), None) is not None

    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        snapshot, profile = cycle.snapshot, cycle.pod.profile
        raw = np.zeros(len(view))
        for terms, sign in ((profile.preferred_affinity, 1), (profile.preferred_anti_affinity, -1)):
            for term in terms:
                sums = snapshot.domain_sums(term.topology_key, _count(cycle, [term]))
                raw += sign * term.weight * _in_domains(view, term.topology_key, sums)
        among = snapshot.namespace_labels.get(cycle.pod.namespace, {})
        for held in snapshot.terms.of_kind("soft", "hard"):
            if held.term.matches(cycle.pod.pod, among):
                key = held.term.topology_key
                weight = HARD_WEIGHT if held.kind == "hard" else 1
                raw += weight * _in_domains(view, key, self._sums(snapshot, key, held.column))
        low, high = raw.min(initial=np.inf), raw.max(initial=-np.inf)
        if high <= low:
            return np.zeros(len(view))
        scaled: FloatColumn = np.floor(MAX_SCORE * (raw - low) / (high - low))
        return scaled
