"""What the pods of a Job amount to, each counted once. Pure.

A pod that ended is counted in three steps: its uid is noted in the status, its finalizer is taken, and when that shows
the note becomes a number. `tally` reads the pods before it is known how the Job goes on; `account` says, after that,
what to note and whom to free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.types.batch.v1 import Job, JobStatus, UncountedTerminatedPods
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.job import failures, indexes, policy
from pilothouse.controllers.job.backoff import finished_at
from pilothouse.semantics.pods import is_active, is_terminal

FINALIZER = "batch.kubernetes.io/job-tracking"
MOST_UNCOUNTED = 500


@dataclass(slots=True)
class Tally:
    """The pods of a Job, those of earlier rounds included. `new_*` are not noted in the status yet."""

    active: list[Pod] = field(default_factory=list)
    terminating: list[Pod] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0
    """Failures that count: ignored ones are left out."""
    new_succeeded: list[Pod] = field(default_factory=list)
    new_failed: list[Pod] = field(default_factory=list)
    completed: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)
    replaceable: dict[int, Pod] = field(default_factory=dict)
    """By index, the failed pod that stays until its replacement is there and has its failure counts."""
    fail_message: str = ""
    """Why the pod failure policy fails the whole Job; empty if it does not."""


@dataclass(frozen=True, slots=True)
class Account:
    """Pods to free of their finalizer once the status with these counts is written."""

    status: JobStatus
    ended: tuple[Pod, ...] = ()
    judged: tuple[str, ...] = ()
    """The actions of the rules that matched failed pods among them."""


def indexed(job: Job) -> bool:
    return job.spec.completion_mode == "Indexed"


def limited_per_index(job: Job) -> bool:
    return indexed(job) and job.spec.backoff_limit_per_index is not None


def replaces_only_failed(job: Job) -> bool:
    return job.spec.pod_replacement_policy == "Failed" or job.spec.pod_failure_policy is not None


def tracked(pod: Pod) -> bool:
    return FINALIZER in pod.metadata.finalizers


def has_failed(job: Job, pod: Pod) -> bool:
    """A pod that is being deleted counts as failed at once, unless only failed ones are replaced."""
    if pod.status.phase == "Failed":
        return True
    if replaces_only_failed(job):
        return False
    return pod.metadata.deletion_timestamp is not None and pod.status.phase != "Succeeded"


def tally(job: Job, pods: Sequence[Pod]) -> Tally:
    """Read `pods` on top of what the status has counted."""
    result = Tally()
    status = job.status
    uncounted = status.uncounted_terminated_pods or UncountedTerminatedPods()
    noted_succeeded, noted_failed = set(uncounted.succeeded), set(uncounted.failed)
    limit = job.spec.completions or 0
    if indexed(job):
        result.completed = indexes.parse(status.completed_indexes, limit)
    if limited_per_index(job):
        result.failed_indexes = indexes.parse(status.failed_indexes, limit)
    for pod in pods:
        if is_active(pod):
            result.active.append(pod)
        elif not is_terminal(pod):
            result.terminating.append(pod)
        failed = has_failed(job, pod)
        if failed and not result.fail_message:
            verdict = policy.judge(job, pod)
            result.fail_message = verdict.message if verdict.action == policy.FAIL_JOB else ""
        if not tracked(pod) or (indexed(job) and not 0 <= indexes.index_of(pod) < limit):
            continue
        if pod.status.phase == "Succeeded":
            if indexed(job):
                result.completed.add(indexes.index_of(pod))
            if pod.metadata.uid not in noted_succeeded:
                result.new_succeeded.append(pod)
        if failed:
            if limited_per_index(job) and failures.index_has_failed(job, pod):
                result.failed_indexes.add(indexes.index_of(pod))
            if pod.metadata.uid not in noted_failed:
                result.new_failed.append(pod)
    counted = [p for p in result.new_failed if policy.judge(job, p).action != policy.IGNORE]
    result.failed = status.failed + len(noted_failed) + len(counted)
    result.succeeded = status.succeeded + len(noted_succeeded) + len(result.new_succeeded)
    if indexed(job):
        result.succeeded = len(result.completed)
    if limited_per_index(job):
        result.replaceable = _replaceable(job, result, pods)
    return result


def _replaceable(job: Job, result: Tally, pods: Iterable[Pod]) -> dict[int, Pod]:
    """The last failed pod of each index that still needs another one."""
    settled = result.completed | result.failed_indexes | {indexes.index_of(p) for p in result.active}
    latest: dict[int, Pod] = {}
    for pod in pods:
        number = indexes.index_of(pod)
        if not tracked(pod) or not has_failed(job, pod) or number in settled:
            continue
        if not 0 <= number < (job.spec.completions or 0):
            continue
        other = latest.get(number)
        if other is None or (
            failures.all_failures(other) <= failures.all_failures(pod) and finished_at(pod) >= finished_at(other)
        ):
            latest[number] = pod
    return latest


@dataclass(slots=True)
class _Ledger:
    """The lists of a status while `account` fills them."""

    succeeded: dict[str, None]
    failed: dict[str, None]
    completed: set[int]
    judged: list[str] = field(default_factory=list)
    new_indexes: int = 0

    @property
    def full(self) -> bool:
        return self.new_indexes + len(self.succeeded) + len(self.failed) >= MOST_UNCOUNTED

    def note(self, job: Job, pod: Pod, failing: bool) -> None:
        """Enter a pod that is let go."""
        uid, number = pod.metadata.uid, indexes.index_of(pod)
        valid = not indexed(job) or 0 <= number < (job.spec.completions or 0)
        if uid in self.failed:
            return
        if pod.status.phase == "Succeeded":
            if not indexed(job):
                self.succeeded[uid] = None
            elif valid and number not in self.completed:
                self.new_indexes += 1
                self.completed.add(number)
        elif valid and (failing or has_failed(job, pod)):
            verdict = policy.judge(job, pod)
            if verdict.message:
                self.judged.append(verdict.action)
            if verdict.action != policy.IGNORE:
                self.failed[uid] = None


def account(job: Job, result: Tally, pods: Sequence[Pod], *, ends: bool, failing: bool) -> Account:
    """Note the pods that ended. `ends`: the Job's outcome is known (or the Job is being deleted), so that every pod is
    let go; `failing`: the outcome is a failure, so that those still running count as failed."""
    status = job.status
    uncounted = status.uncounted_terminated_pods or UncountedTerminatedPods()
    waiting = [p for p in pods if tracked(p)]
    uids = {p.metadata.uid for p in waiting}
    ledger = _Ledger(
        dict.fromkeys(uid for uid in uncounted.succeeded if uid in uids),
        dict.fromkeys(uid for uid in uncounted.failed if uid in uids),
        indexes.parse(status.completed_indexes, job.spec.completions or 0) if indexed(job) else set(),
    )
    counted_succeeded = status.succeeded + len(uncounted.succeeded) - len(ledger.succeeded)
    counted_failed = status.failed + len(uncounted.failed) - len(ledger.failed)
    kept = {p.metadata.uid for p in result.replaceable.values()}
    ended: list[Pod] = []
    for pod in sorted(waiting, key=indexes.index_of) if indexed(job) else waiting:
        failed = has_failed(job, pod) and pod.metadata.uid not in kept
        if ends or failed or pod.status.phase == "Succeeded":
            ended.append(pod)
            ledger.note(job, pod, failing)
            if ledger.full:
                break
    noted = UncountedTerminatedPods(succeeded=tuple(ledger.succeeded), failed=tuple(ledger.failed))
    status = msgspec.structs.replace(
        status, succeeded=counted_succeeded, failed=counted_failed, uncounted_terminated_pods=noted
    )
    if indexed(job):
        completed = indexes.render(ledger.completed)
        status = msgspec.structs.replace(status, succeeded=len(ledger.completed), completed_indexes=completed)
    if limited_per_index(job):
        status = msgspec.structs.replace(status, failed_indexes=indexes.render(result.failed_indexes))
    return Account(status, tuple(ended), tuple(ledger.judged))
