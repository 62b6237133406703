"""TaintToleration: taints keep pods away that don't tolerate them, or at least make a node less welcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pilothouse.api.types.core.v1 import Toleration
from pilothouse.scheduler.framework import (
    Change,
    ClusterEvent,
    Cycle,
    Hint,
    Rejection,
    normalized,
    static_rejections,
)
from pilothouse.scheduler.snapshot import FloatColumn, PodInfo, View
from pilothouse.semantics import taints

REASON = "node(s) had untolerated taint(s)"


def _now_tolerated(pod: PodInfo, event: ClusterEvent) -> bool:
    node = event.new
    return node is not None and taints.find_untolerated(node.spec.taints, pod.pod.spec.tolerations) is None


def _soft(tolerations: Sequence[Toleration]) -> list[Toleration]:
    return [t for t in tolerations if t.effect in ("", taints.PREFER_NO_SCHEDULE)]


class TaintToleration:
    """Nodes share few sets of taints: each set is looked at once, and a column says which set a node has."""

    name = "TaintToleration"
    events: Mapping[Change, Hint | None] = {
        Change.NODE_ADDED: _now_tolerated,
        Change.NODE_TAINTS: _now_tolerated,
        Change.SELF_CHANGED: None,
    }

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        return static_rejections(cycle, view, self.name, lambda whole: self._rejections(cycle, whole))

    def _rejections(self, cycle: Cycle, view: View) -> list[Rejection]:
        tolerations = cycle.pod.pod.spec.tolerations
        sets = cycle.snapshot.taint_sets
        bad = np.array([taints.find_untolerated(found, tolerations) is not None for found in sets])
        held = view.ints("taints")
        return [] if held is None or not bad.any() else [Rejection(bad[held], REASON, resolvable=False)]

    def pre_score(self, cycle: Cycle, view: View) -> bool:
        return bool(self._counts(cycle).any())

    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        held = view.ints("taints")
        assert held is not None
        return normalized(self._counts(cycle)[held], reverse=True)

    def _counts(self, cycle: Cycle) -> FloatColumn:
        """For each set of taints, how many soft ones the pod does not tolerate."""
        return cycle.per_profile("TaintToleration/counts", lambda: self._count(cycle))

    @staticmethod
    def _count(cycle: Cycle) -> FloatColumn:
        tolerations = _soft(cycle.pod.pod.spec.tolerations)
        wanted = taints.PREFER_NO_SCHEDULE
        return np.array(
            [
                sum(1 for t in found if t.effect == wanted and not taints.tolerated(t, tolerations))
                for found in cycle.snapshot.taint_sets
            ],
            dtype=np.float64,
        )
