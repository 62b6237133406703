"""PodTopologySpread: pods of a kind are spread over zones, nodes or whatever label a constraint names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.api.selectors import LabelSelector, Requirement, of_object
from pilothouse.api.types.core.v1 import Pod, TopologySpreadConstraint
from pilothouse.scheduler.framework import MAX_SCORE, Change, ClusterEvent, Cycle, Hint, Rejection
from pilothouse.scheduler.snapshot import BoolColumn, FloatColumn, IntColumn, PodInfo, View
from pilothouse.semantics import taints
from pilothouse.semantics.node_affinity import required_matches

REASON = "node(s) didn't match pod topology spread constraints"
MISSING_LABEL = REASON + " (missing required label)"
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))

DefaultSelector = Callable[[Pod], LabelSelector | None]
"""What a pod's Services and owners select it by, for pods without constraints of their own; None: nothing does."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint, compiled."""

    topology_key: str
    max_skew: int
    selector: LabelSelector
    namespace: str
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False

    def counts(self, info: PodInfo) -> bool:
        """Whether a pod on a node is of the kind; one that is on its way out no longer is."""
        return not info.terminating and info.namespace == self.namespace and self.selector.matches(info.labels)

    def column(self, cycle: Cycle) -> IntColumn:
        return cycle.snapshot.count(("spread", self.namespace, self.selector), self.counts)


def compiled(pod: Pod, constraints: Iterable[TopologySpreadConstraint]) -> list[Constraint]:
    found = []
    for constraint in constraints:
        selector = of_object(constraint.label_selector)
        same = [
            Requirement(key, "in", (pod.metadata.labels[key],))
            for key in constraint.match_label_keys
            if key in pod.metadata.labels
        ]
        if same and not selector.nothing:
            selector = LabelSelector((*selector.requirements, *same))
        found.append(
            Constraint(
                constraint.topology_key,
                constraint.max_skew,
                selector,
                pod.metadata.namespace,
                constraint.min_domains or 1,
                constraint.node_affinity_policy != "Ignore",
                constraint.node_taints_policy == "Honor",
            )
        )
    return found


def _may_matter(pod: PodInfo, event: ClusterEvent) -> bool:
    """A pod of the same namespace whose coming or going could shift the counts."""
    other = event.new if event.new is not None else event.old
    return other is not None and other.metadata.namespace == pod.namespace


class PodTopologySpread:
    name = "PodTopologySpread"
    events: Mapping[Change, Hint | None] = {
        Change.POD_PLACED: _may_matter,
        Change.POD_CHANGED: _may_matter,
        Change.POD_GONE: _may_matter,
        Change.NODE_ADDED: None,
        Change.NODE_LABELS: None,
        Change.NODE_TAINTS: None,
        Change.SELF_CHANGED: None,
    }

    def __init__(self, default_selector: DefaultSelector = lambda pod: None) -> None:
        self._default_selector = default_selector

    # --- filter

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        constraints = self._hard(cycle)
        if not constraints:
            return ()
        return list(self._rejections(cycle, view, constraints))

    def _rejections(self, cycle: Cycle, view: View, constraints: Sequence[Constraint]) -> Iterable[Rejection]:
        missing = np.zeros(len(view), dtype=bool)
        for constraint in constraints:
            missing |= view.labels(constraint.topology_key) < 0
        if missing.any():
            yield Rejection(missing, MISSING_LABEL, resolvable=False)
        # A pod may have thousands of constraints; of those on labels that nodes have, there are never many.
        if missing.all():
            return
        crowded = np.zeros(len(view), dtype=bool)
        for constraint in constraints:
            room = cycle.once(f"{self.name}/{id(constraint)}", lambda c=constraint: self._room(cycle, c, constraints))  # type: ignore[misc]
            codes = view.labels(constraint.topology_key)
            crowded |= room[codes] < 0
        crowded &= ~missing
        if crowded.any():
            yield Rejection(crowded, REASON)

    def _room(self, cycle: Cycle, constraint: Constraint, constraints: Sequence[Constraint]) -> IntColumn:
        """For each domain, how many more pods it could take after this one; negative: not even this one."""
        eligible = self._eligible(cycle, constraint, constraints)
        key = constraint.topology_key
        sums = cycle.snapshot.domain_sums(key, constraint.column(cycle), eligible)
        codes = cycle.snapshot.label_codes(key)[: len(cycle.snapshot)]
        domains = np.unique(codes[eligible & (codes >= 0)])
        fewest = int(sums[domains].min()) if len(domains) >= max(constraint.min_domains, 1) else 0
        itself = 1 if constraint.selector.matches(cycle.pod.labels) else 0
        room: IntColumn = constraint.max_skew + fewest - sums - itself
        return room if len(room) else np.zeros(1, dtype=np.int64)

    def _eligible(self, cycle: Cycle, constraint: Constraint, constraints: Sequence[Constraint]) -> BoolColumn:
        """Nodes that count: they have all labels of the constraints, and could take the pod otherwise."""
        which = "hard" if constraints is self._hard(cycle) else "soft"
        name = f"{self.name}/eligible/{which}/{constraint.honor_affinity}/{constraint.honor_taints}"
        return cycle.per_profile(name, lambda: self._find_eligible(cycle, constraint, constraints))

    @staticmethod
    def _find_eligible(cycle: Cycle, constraint: Constraint, constraints: Sequence[Constraint]) -> BoolColumn:
        view = cycle.snapshot.view()
        mask = np.ones(len(view), dtype=bool)
        for one in constraints:
            mask &= view.labels(one.topology_key) >= 0
        spec = cycle.pod.pod.spec
        if constraint.honor_affinity and (spec.node_selector or (spec.affinity and spec.affinity.node_affinity)):
            mask &= np.array([required_matches(spec, r.node) for r in view.records()], dtype=bool)
        if constraint.honor_taints:
            sets = cycle.snapshot.taint_sets
            good = np.array([taints.find_untolerated(t, spec.tolerations) is None for t in sets])
            held = view.ints("taints")
            assert held is not None
            mask &= good[held]
        return mask

    def _hard(self, cycle: Cycle) -> Sequence[Constraint]:
        memo = cycle.pod.profile.memo
        if "spread/hard" not in memo:
            pod = cycle.pod.pod
            hard = [c for c in pod.spec.topology_spread_constraints if c.when_unsatisfiable == "DoNotSchedule"]
            memo["spread/hard"] = compiled(pod, hard)
        found: Sequence[Constraint] = memo["spread/hard"]
        return found

    # --- score

    def pre_score(self, cycle: Cycle, view: View) -> bool:
        return bool(self._soft(cycle))

    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        constraints, own = self._soft(cycle), bool(cycle.pod.pod.spec.topology_spread_constraints)
        raw, ignored = np.zeros(len(view)), np.zeros(len(view), dtype=bool)
        for constraint in constraints if own else ():
            ignored |= view.labels(constraint.topology_key) < 0
        if ignored.all():
            return np.zeros(len(view))
        for constraint in constraints:
            missing = view.labels(constraint.topology_key) < 0
            raw += np.where(missing, 0.0, self._points(cycle, view, constraint, constraints))
        raw = np.round(raw)
        counted = raw[~ignored]
        if not len(counted):
            return np.zeros(len(view))
        low, high = counted.min(), counted.max()
        scores = np.full(len(view), MAX_SCORE) if high == 0 else np.floor(MAX_SCORE * (high + low - raw) / high)
        scores[ignored] = 0.0
        return scores

    def _points(
        self, cycle: Cycle, view: View, constraint: Constraint, constraints: Sequence[Constraint]
    ) -> FloatColumn:
        """Pods in a node's domain; domains of a label with many values weigh more."""
        key, column = constraint.topology_key, constraint.column(cycle)
        codes = view.labels(key)
        size = len(np.unique(codes[codes >= 0]))
        if key == HOSTNAME:
            held = column[view.rows]
        else:
            own = bool(cycle.pod.pod.spec.topology_spread_constraints)
            eligible = self._eligible(cycle, constraint, constraints) if own else None
            held = cycle.snapshot.domain_sums(key, column, eligible)[codes] if size else np.zeros_like(codes)
        points: FloatColumn = held.astype(np.float64) * math.log(size + 2) + (constraint.max_skew - 1)
        return points

    def _soft(self, cycle: Cycle) -> Sequence[Constraint]:
        pod = cycle.pod.pod
        if pod.spec.topology_spread_constraints:
            memo = cycle.pod.profile.memo
            if "spread/soft" not in memo:
                soft = [c for c in pod.spec.topology_spread_constraints if c.when_unsatisfiable == "ScheduleAnyway"]
                memo["spread/soft"] = compiled(pod, soft)
            found: Sequence[Constraint] = memo["spread/soft"]
            return found
        selector = self._default_selector(pod)
        if selector is None or selector.empty or selector.nothing:
            return ()
        return [Constraint(key, skew, selector, pod.metadata.namespace) for key, skew in DEFAULTS]
