"""NodeResourcesFit: what a pod requests must be free; nodes with more left over are liked better (LeastAllocated)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pilothouse.scheduler.framework import MAX_SCORE, Change, ClusterEvent, Cycle, Hint, Rejection
from pilothouse.scheduler.snapshot import FloatColumn, PodInfo, View
from pilothouse.scheduler.snapshot.pods import amount

TOO_MANY_PODS = "Too many pods"


def _has_room(pod: PodInfo, event: ClusterEvent) -> bool:
    """Whether the node could hold the pod if it were empty."""
    if event.new is None:
        return False
    held = event.new.status.allocatable
    return all(
        wanted <= (amount(name, held[name].value) if name in held else 0)
        for name, wanted in pod.profile.requests.items()
        if wanted
    )


class NodeResourcesFit:
    name = "NodeResourcesFit"
    events: Mapping[Change, Hint | None] = {
        Change.POD_GONE: None,
        Change.POD_CHANGED: None,
        Change.NODE_ADDED: _has_room,
        Change.NODE_ALLOCATABLE: _has_room,
        Change.SELF_CHANGED: None,
    }

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        found: list[Rejection] = []
        held, limit = view.ints("pods"), view.ints("allocatable/pods")
        full = np.ones(len(view), dtype=bool) if limit is None or held is None else held + 1 > limit
        if full.any():
            found.append(Rejection(full, TOO_MANY_PODS))
        for name, wanted in cycle.pod.profile.requests.items():
            if wanted:
                found.extend(self._short(view, name, wanted))
        return found

    @staticmethod
    def _short(view: View, name: str, wanted: int) -> Iterable[Rejection]:
        reason = f"Insufficient {name}"
        allocatable, requested = view.ints(f"allocatable/{name}"), view.ints(f"requested/{name}")
        if allocatable is None or requested is None:
            yield Rejection(np.ones(len(view), dtype=bool), reason, resolvable=False)
            return
        short = allocatable - requested < wanted
        if not short.any():
            return
        never = allocatable < wanted
        yield Rejection(short & never, reason, resolvable=False)
        yield Rejection(short & ~never, reason)

    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        profile = cycle.pod.profile
        return least_allocated(view, profile.rated_cpu, profile.rated_memory)


def least_allocated(view: View, cpu: int, memory: int) -> FloatColumn:
    """The mean of what would be free of cpu and memory, in percent, rounded down as whole numbers are."""
    total, weights = np.zeros(len(view)), np.zeros(len(view))
    for name, wanted in (("cpu", cpu), ("memory", memory)):
        allocatable, rated = view.ints(f"allocatable/{name}"), view.ints(f"rated/{name}")
        if allocatable is None or rated is None:
            continue
        there = allocatable > 0
        capacity = np.where(there, allocatable, 1).astype(np.float64)
        free = np.clip(capacity - rated - wanted, 0.0, None)
        total += np.where(there, np.floor(free * MAX_SCORE / capacity), 0.0)
        weights += there
    return np.floor(total / np.maximum(weights, 1.0))
