"""NodeResourcesBalancedAllocation: nodes where the pod makes the use of cpu and memory more even are liked better."""

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
        """What the pod does to the balance: 75 leaves it as it is, 100 mends it, 50 spoils it."""
        requests = cycle.pod.profile.requests
        change = _balance(view, requests) - _balance(view, {})
        half = MAX_SCORE / 2
        score: FloatColumn = half + np.floor((half + change) / 2)
        return score


def _balance(view: View, more: Mapping[str, int]) -> FloatColumn:
    """How evenly cpu and memory are used with `more` of them: 100 for equal shares, 50 for all of one and none of the
    other; whole numbers."""
    shares = []
    for name in ("cpu", "memory"):
        allocatable, requested = view.ints(f"allocatable/{name}"), view.ints(f"requested/{name}")
        if allocatable is None or requested is None:
            return np.full(len(view), MAX_SCORE)
        there = allocatable > 0
        share = (requested + more.get(name, 0)) / np.where(there, allocatable, 1)
        shares.append(np.where(there, np.minimum(share, 1.0), np.nan))
    deviation = np.nan_to_num(np.abs(shares[0] - shares[1]) / 2, nan=0.0)
    balance: FloatColumn = np.trunc((1.0 - deviation) * MAX_SCORE)
    return balance
