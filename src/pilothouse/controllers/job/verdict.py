"""When a Job is over, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.batch.v1 import Job, JobCondition, JobStatus
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.job import indexes
from pilothouse.controllers.job.tally import Tally, indexed, limited_per_index
from pilothouse.semantics import conditions

MANAGER = "kubernetes.io/job-controller"
COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
CRITERIA_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"
REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")


def condition(kind: str, status: str, reason: str, message: str, now: float) -> JobCondition:
    stamp = format_time(now)
    return JobCondition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_probe_time=stamp,
        last_transition_time=stamp,
    )


def managed_elsewhere(job: Job) -> bool:
    """Whether another controller manages the Job."""
    return job.spec.managed_by not in (None, MANAGER)


def finished(status: JobStatus) -> bool:
    return conditions.is_true(status.conditions, COMPLETE) or conditions.is_true(status.conditions, FAILED)


def deadline_in(job: Job, now: float) -> float | None:
    """Seconds until activeDeadlineSeconds is over; None if there is none."""
    if job.spec.active_deadline_seconds is None or job.status.start_time is None or job.spec.suspend:
        return None
    return parse_time(job.status.start_time) + job.spec.active_deadline_seconds - now


def target(job: Job, count: Tally, now: float) -> JobCondition | None:
    """The condition that says how the Job will end (FailureTarget or SuccessCriteriaMet by policy); None while it goes
    on. Whether it has all its completions is told by `reached`."""
    for kind in (CRITERIA_MET, FAILURE_TARGET):
        held = conditions.find(job.status.conditions, kind)
        if held is not None and held.status == "True":
            return held
    failure = _failure(job, count, now)
    if failure is not None:
        return condition(FAILURE_TARGET, "True", *failure, now)
    success = _success_policy(job, count)
    return condition(CRITERIA_MET, "True", *success, now) if success is not None else None


def reached(job: Job, count: Tally, active: int) -> bool:
    """Whether the Job has all it was made for, and none of its pods runs on (`active`: how many do)."""
    if active:
        return False
    return count.succeeded > 0 if job.spec.completions is None else count.succeeded >= job.spec.completions


def _failure(job: Job, count: Tally, now: float) -> tuple[str, str] | None:
    limit = 6 if job.spec.backoff_limit is None else job.spec.backoff_limit
    if count.fail_message:
        return "PodFailurePolicy", count.fail_message
    if count.failed > limit or _restarted_too_often(job, count.active + count.terminating, limit):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    left = deadline_in(job, now)
    if left is not None and left <= 0:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    if limited_per_index(job):
        most = job.spec.max_failed_indexes
        if most is not None and len(count.failed_indexes) > most:
            return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        done = len(count.failed_indexes) + len(count.completed) >= (job.spec.completions or 0)
        if count.failed_indexes and done:
            return "FailedIndexes", "Job has failed indexes"
    return None


def _restarted_too_often(job: Job, active: Sequence[Pod], limit: int) -> bool:
    if job.spec.template.spec.restart_policy != "OnFailure":
        return False
    total = sum(
        s.restart_count
        for pod in active
        if pod.status.phase in ("Running", "Pending")
        for s in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )
    return total > 0 if limit == 0 else total >= limit


def _success_policy(job: Job, count: Tally) -> tuple[str, str] | None:
    rules = job.spec.success_policy.rules if job.spec.success_policy is not None and indexed(job) else None
    if not count.completed:
        return None
    for number, rule in enumerate(rules or ()):
        named = indexes.parse(rule.succeeded_indexes, job.spec.completions or 0)
        among = count.completed & named if rule.succeeded_indexes is not None else count.completed
        needed = rule.succeeded_count if rule.succeeded_count is not None else len(named)
        if needed and len(among) >= needed:
            return "SuccessPolicy", f"Matched rules at index {number}"
    return None


def final(held: JobCondition, now: float) -> JobCondition:
    """The last condition of a Job that has reached `held`."""
    kind = FAILED if held.type == FAILURE_TARGET else COMPLETE
    return condition(kind, "True", held.reason, held.message, now)
