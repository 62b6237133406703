"""SchedulingGates: a pod with gates does not enter the queue of those to be placed."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core.v1 import Pod
from pilothouse.scheduler.framework import Change, Hint


class SchedulingGates:
    name = "SchedulingGates"
    events: Mapping[Change, Hint | None] = {Change.SELF_CHANGED: None}

    @staticmethod
    def gated(pod: Pod) -> bool:
        """Whether somebody holds the pod back."""
        return bool(pod.spec.scheduling_gates)
