"""How long a Job waits before it makes another pod after failures. Pure.

The wait doubles with each failure, from 10 seconds to 10 minutes, and is measured from the end of the last failed pod.
Without a limit per index all failures since the last success count together; with one, each index waits on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.api.time import parse_time
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.job.failures import all_failures
from pilothouse.semantics.pods import condition_of

BASE, CEILING = 10.0, 600.0


@dataclass(frozen=True, slots=True)
class Failures:
    """Pods that failed since the last success, and when the last of them ended (seconds since the epoch)."""

    count: int = 0
    last: float = 0.0

    def delay_left(self, now: float) -> float:
        """Seconds until the next pod may be made."""
        if not self.count:
            return 0.0
        return max(self.last + min(BASE * 2.0 ** min(self.count - 1, 40), CEILING) - now, 0.0)

    def followed_by(self, succeeded: Sequence[Pod], failed: Sequence[Pod]) -> Failures:
        """The record after pods ended: a success forgets what failed before it."""
        ends = sorted(finished_at(p) for p in failed)
        if not succeeded:
            return Failures(self.count + len(ends), ends[-1]) if ends else self
        last_success = max(finished_at(p) for p in succeeded)
        later = [end for end in ends if end > last_success]
        return Failures(len(later), later[-1]) if later else Failures()


def index_delay_left(last_failed: Pod | None, now: float) -> float:
    """Seconds until the index of `last_failed`, the pod that failed there last, may get another pod."""
    if last_failed is None:
        return 0.0
    return Failures(all_failures(last_failed) + 1, finished_at(last_failed)).delay_left(now)


def finished_at(pod: Pod) -> float:
    """When a pod ended: the last end of its containers if all have ended, else when it became unready, else when it was
    asked to go, else when it was made. Follows getFinishedTime of upstream's job controller."""
    ends = [s.state.terminated.finished_at if s.state.terminated else None for s in pod.status.container_statuses]
    stamps = [parse_time(end) for end in ends if end]
    if stamps and len(stamps) == len(ends):
        return max(stamps)
    ready = condition_of(pod, "Ready")
    if ready is not None and ready.status == "False" and ready.last_transition_time:
        return parse_time(ready.last_transition_time)
    meta = pod.metadata
    if meta.deletion_timestamp:
        return parse_time(meta.deletion_timestamp) - (meta.deletion_grace_period_seconds or 0)
    return parse_time(meta.creation_timestamp) if meta.creation_timestamp else 0.0
