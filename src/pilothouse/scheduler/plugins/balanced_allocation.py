"""NodeResourcesBalancedAllocation: nodes whose cpu and memory are used in like proportion are liked better."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pilothouse.scheduler.framework import MAX_SCORE, Change, Cycle, Hint
from pilothouse.scheduler.snapshot import FloatColumn, View


class BalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    events: Mapping[Change, Hint | None] = {}

    def pre_score(self, cycle: Cycle, view: View) -> bool:
        """A pod that requests nothing changes no balance, and all of its kind would go to one node."""
        requests = cycle.pod.profile.requests
        return bool(requests.get("cpu") or requests.get("memory"))

    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        requests = cycle.pod.profile.requests
        parts = []
        for name in ("cpu", "memory"):
            allocatable, requested = view.ints(f"allocatable/{name}"), view.ints(f"requested/{name}")
            if allocatable is None or requested is None:
                return np.full(len(view), MAX_SCORE)
            there = allocatable > 0
            share = (requested + requests.get(name, 0)) / np.where(there, allocatable, 1)
            parts.append(np.where(there, np.minimum(share, 1.0), np.nan))
        deviation = np.nan_to_num(np.abs(parts[0] - parts[1]) / 2, nan=0.0)
        score: FloatColumn = np.floor((1.0 - deviation) * MAX_SCORE)
        return score
