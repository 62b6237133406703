"""Counts a Job's pods, each once: those that ended are first noted in the status, then freed of their finalizer, then
counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pilothouse.api.types.batch.v1 import Job, UncountedTerminatedPods
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.job import indexes, policy
from pilothouse.semantics.pods import is_active, is_ready, is_terminal

FINALIZER = "batch.kubernetes.io/job-tracking"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
MOST_UNCOUNTED = 500


@dataclass(slots=True)
class Tally:
    """What the pods of a Job amount to. `ended` still carry the finalizer and are noted in `uncounted`."""

    active: list[Pod] = field(default_factory=list)
    terminating: list[Pod] = field(default_factory=list)
    ready: int = 0
    counted_succeeded: int = 0
    counted_failed: int = 0
    uncounted: UncountedTerminatedPods = field(default_factory=UncountedTerminatedPods)
    ended: list[Pod] = field(default_factory=list)
    completed: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)
    new_failed: list[Pod] = field(default_factory=list)
    new_succeeded: list[Pod] = field(default_factory=list)
    fail_message: str = ""
    """Why the pod failure policy fails the whole Job; empty if it does not."""

    @property
    def succeeded(self) -> int:
        return self.counted_succeeded + len(self.uncounted.succeeded)

    @property
    def failed(self) -> int:
        return self.counted_failed + len(self.uncounted.failed)


def indexed(job: Job) -> bool:
    return job.spec.completion_mode == "Indexed"


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


def index_failures(pod: Pod) -> int:
    text = pod.metadata.annotations.get(FAILURES, "")
    return int(text) if text.isdigit() else 0


def tally(job: Job, pods: Sequence[Pod]) -> Tally:
    """Count `pods` on top of what the status has counted."""
    found = Tally()
    status = job.status
    held = status.uncounted_terminated_pods or UncountedTerminatedPods()
    waiting = {p.metadata.uid for p in pods if tracked(p)}
    limit = job.spec.completions or 0
    found.completed = indexes.parse(status.completed_indexes, limit) if indexed(job) else set()
    found.failed_indexes = indexes.parse(status.failed_indexes, limit) if indexed(job) else set()
    succeeded = [uid for uid in held.succeeded if uid in waiting]
    failed = [uid for uid in held.failed if uid in waiting]
    found.counted_succeeded = status.succeeded + len(held.succeeded) - len(succeeded)
    found.counted_failed = status.failed + len(held.failed) - len(failed)
    for pod in pods:
        if is_active(pod):
            found.active.append(pod)
            found.ready += is_ready(pod)
        elif not is_terminal(pod):
            found.terminating.append(pod)
        if not tracked(pod):
            continue
        room = len(succeeded) + len(failed) < MOST_UNCOUNTED
        if pod.status.phase == "Succeeded":
            _note_success(job, found, pod, succeeded, limit, room)
        elif has_failed(job, pod):
            _note_failure(job, found, pod, failed, room)
    if indexed(job):
        found.counted_succeeded = len(found.completed)
    found.uncounted = UncountedTerminatedPods(succeeded=tuple(succeeded), failed=tuple(failed))
    return found


def _note_success(job: Job, found: Tally, pod: Pod, succeeded: list[str], limit: int, room: bool) -> None:
    uid = pod.metadata.uid
    if indexed(job):
        number = indexes.index_of(pod)
        if 0 <= number < limit and number not in found.completed:
            found.new_succeeded.append(pod)
            found.completed.add(number)
        found.ended.append(pod)
    elif uid in succeeded:
        found.ended.append(pod)
    elif room:
        succeeded.append(uid)
        found.new_succeeded.append(pod)
        found.ended.append(pod)


def _note_failure(job: Job, found: Tally, pod: Pod, failed: list[str], room: bool) -> None:
    uid = pod.metadata.uid
    if uid in failed:
        found.ended.append(pod)
        return
    if not room:
        return
    verdict = policy.judge(job, pod)
    if verdict.action == policy.FAIL_JOB:
        found.fail_message = found.fail_message or verdict.message
    if indexed(job) and job.spec.backoff_limit_per_index is not None:
        beyond = index_failures(pod) + 1 > job.spec.backoff_limit_per_index
        if verdict.action == policy.FAIL_INDEX or (beyond and verdict.action != policy.IGNORE):
            found.failed_indexes.add(indexes.index_of(pod))
    found.ended.append(pod)
    if verdict.action != policy.IGNORE:
        failed.append(uid)
        found.new_failed.append(pod)
