"""NodeAffinity: nodeSelector, required and preferred node affinity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pilothouse.scheduler.framework import (
    Change,
    ClusterEvent,
    Cycle,
    Hint,
    Refused,
    Rejection,
    normalized,
    reject_each,
    static_rejections,
)
from pilothouse.scheduler.snapshot import FloatColumn, PodInfo, View
from pilothouse.semantics import node_affinity

CONFLICT = "pod affinity terms conflict"
REASON = "node(s) didn't match Pod's node affinity/selector"


def _now_matches(pod: PodInfo, event: ClusterEvent) -> bool:
    return event.new is not None and node_affinity.required_matches(pod.pod.spec, event.new)


class NodeAffinity:
    name = "NodeAffinity"
    events: Mapping[Change, Hint | None] = {
        Change.NODE_ADDED: _now_matches,
        Change.NODE_LABELS: _now_matches,
        Change.SELF_CHANGED: None,
    }

    def pre_filter(self, cycle: Cycle) -> Refused | None:
        names = self.node_names(cycle)
        return Refused(self.name, CONFLICT) if names is not None and not names else None

    def node_names(self, cycle: Cycle) -> frozenset[str] | None:
        """A pod whose affinity names its node, as a DaemonSet's pods do, asks no other."""
        memo = cycle.pod.profile.memo
        if "affinity/names" not in memo:
            memo["affinity/names"] = node_affinity.required_names(cycle.pod.pod.spec)
        found: frozenset[str] | None = memo["affinity/names"]
        return found

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        spec = cycle.pod.pod.spec
        if not spec.node_selector and (spec.affinity is None or spec.affinity.node_affinity is None):
            return ()
        return static_rejections(cycle, view, self.name, lambda whole: self._rejections(cycle, whole))

    @staticmethod
    def _rejections(cycle: Cycle, view: View) -> list[Rejection]:
        spec = cycle.pod.pod.spec
        return reject_each(
            view, lambda record: "" if node_affinity.required_matches(spec, record.node) else REASON, resolvable=False
        )

    def pre_score(self, cycle: Cycle, view: View) -> bool:
        affinity = cycle.pod.pod.spec.affinity
        held = affinity.node_affinity if affinity else None
        return held is not None and bool(held.preferred_during_scheduling_ignored_during_execution)

    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        spec = cycle.pod.pod.spec
        whole: FloatColumn = cycle.per_profile(
            "NodeAffinity/preference",
            lambda: np.array(
                [node_affinity.preference(spec, record.node) for record in cycle.snapshot.records], dtype=np.float64
            ),
        )
        return normalized(whole[view.rows])
