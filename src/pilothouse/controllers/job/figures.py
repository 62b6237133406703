"""What the job controller tells of its work, under upstream's names, labels and rules."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pilothouse.api.types.batch.v1 import Job, JobStatus
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.job import indexes, verdict
from pilothouse.controllers.job.decide import RECONCILING
from pilothouse.controllers.job.tally import indexed, limited_per_index, tracked
from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Counter, Family, Registry
from pilothouse.semantics import conditions
from pilothouse.semantics.pods import is_terminal

PREFIX = "job_controller_"
SECONDS = tuple(0.004 * 2**n for n in range(15))
SUCCEEDED, FAILED = "succeeded", "failed"


@dataclass(slots=True)
class Sync:
    """One round with a Job; `action` is what it did about pods."""

    action: str = RECONCILING


def mode(job: Job) -> str:
    return "Indexed" if indexed(job) else "NonIndexed"


def reason_to_create(job: Job, failed: int, terminating: int) -> str:
    """Why a Job makes pods; `failed`: pods that failed so far, `terminating`: those on their way."""
    if job.spec.pod_replacement_policy == "Failed" and failed:
        return "recreate_failed"
    return "recreate_terminating_or_failed" if failed or terminating else "new"


class Figures:
    """The families, and when each of them grows."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._clock = clock

        def counter(name: str, told: str, *labels: str) -> Family[Counter]:
            return registry.counter(PREFIX + name, told, labels)

        by_round = ("completion_mode", "result", "action")
        told = "Seconds that a round with a Job took."
        self._seconds = registry.histogram(PREFIX + "job_sync_duration_seconds", told, by_round, SECONDS)
        self._rounds = counter("job_syncs_total", "Rounds with Jobs.", *by_round)
        self._jobs = counter("jobs_finished_total", "Jobs that are over.", "completion_mode", "result", "reason")
        told = "Jobs that another controller manages."
        self._external = counter("jobs_by_external_controller_total", told, "controller_name")
        told = "Pods that ended and were counted."
        self._pods = counter("job_pods_finished_total", told, "completion_mode", "result")
        told = "Failed pods that a rule of a pod failure policy matched, by its action."
        self._judged = counter("pod_failures_handled_by_failure_policy_total", told, "action")
        told = "Ended pods that got (add) and lost (delete) the finalizer batch.kubernetes.io/job-tracking."
        self._tracked = counter("terminated_pods_tracking_finalizer_total", told, "event")
        told = "Completion indexes that are over."
        self._indexes = counter("job_finished_indexes_total", told, "status", "backoffLimit")
        told = "Pods that were made for Jobs, or could not be."
        self._created = counter("job_pods_creation_total", told, "reason", "status")

    @contextlib.contextmanager
    def sync(self, job: Job) -> Iterator[Sync]:
        """Count and measure a round."""
        begun, sync, result = self._clock.monotonic(), Sync(), "error"
        try:
            yield sync
            result = "success"
        finally:
            labels = (mode(job), result, sync.action)
            self._rounds.labels(*labels).inc()
            self._seconds.labels(*labels).observe(self._clock.monotonic() - begun)

    def job_seen(self, old: Job | None, new: Job | None) -> None:
        """A Job came into the cache, changed or went."""
        if old is None and new is not None and verdict.managed_elsewhere(new):
            self._external.labels(new.spec.managed_by or "").inc()

    def pod_seen(self, old: Pod | None, new: Pod | None) -> None:
        """A pod came into the cache, changed or went."""
        before, after = (pod is not None and is_terminal(pod) and tracked(pod) for pod in (old, new))
        if before != after:
            self._tracked.labels("add" if after else "delete").inc()

    def created(self, job: Job, reason: str, made: int, refused: int) -> None:
        for status, count in ((SUCCEEDED, made), (FAILED, refused)):
            if count:
                self._created.labels(reason, status).inc(count)

    def judged(self, actions: Iterable[str]) -> None:
        for action in actions:
            self._judged.labels(action).inc()

    def counted(self, job: Job, after: JobStatus) -> None:
        """The status `after` was written for `job`, which has the one before."""
        before = job.status
        succeeded = after.succeeded - before.succeeded
        if indexed(job):
            # Completions may have been lowered meanwhile: indexes beyond them are no longer successes.
            succeeded = self._indexes_over(job, SUCCEEDED, before.completed_indexes, after.completed_indexes)
            if limited_per_index(job):
                self._indexes_over(job, FAILED, before.failed_indexes, after.failed_indexes)
        for result, count in ((SUCCEEDED, succeeded), (FAILED, after.failed - before.failed)):
            if count > 0:
                self._pods.labels(mode(job), result).inc(count)
        last = next((c for c in after.conditions if c.type in (verdict.COMPLETE, verdict.FAILED)), None)
        if last is not None and conditions.find(before.conditions, last.type) is None:
            result = SUCCEEDED if last.type == verdict.COMPLETE else FAILED
            self._jobs.labels(mode(job), result, last.reason).inc()

    def _indexes_over(self, job: Job, status: str, before: str | None, after: str | None) -> int:
        limit = job.spec.completions or 0
        count = len(indexes.parse(after, limit)) - len(indexes.parse(before, limit))
        if count > 0:
            self._indexes.labels(status, "perIndex" if limited_per_index(job) else "global").inc(count)
        return count
