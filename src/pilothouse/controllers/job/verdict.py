"""When a Job is over, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.batch.v1 import Job, JobCondition, JobStatus
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.job import indexes
from pilothouse.controllers.job.tally import Tally, indexed
from pilothouse.semantics import conditions

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


def finished(status: JobStatus) -> bool:
    return conditions.is_true(status.conditions, COMPLETE) or conditions.is_true(status.conditions, FAILED)


def deadline_in(job: Job, now: float) -> float | None:
    """Seconds until activeDeadlineSeconds is over; None if there is none."""
    if job.spec.active_deadline_seconds is None or job.status.start_time is None or job.spec.suspend:
        return None
    return parse_time(job.status.start_time) + job.spec.active_deadline_seconds - now


def target(job: Job, found: Tally, now: float) -> JobCondition | None:
    """The condition that says how the Job will end (FailureTarget or SuccessCriteriaMet); None while it goes on."""
    for kind in (FAILURE_TARGET, CRITERIA_MET):
        held = conditions.find(job.status.conditions, kind)
        if held is not None and held.status == "True":
            return held
    failure = _failure(job, found, now)
    if failure is not None:
        return condition(FAILURE_TARGET, "True", *failure, now)
    success = _success(job, found)
    return condition(CRITERIA_MET, "True", *success, now) if success is not None else None


def _failure(job: Job, found: Tally, now: float) -> tuple[str, str] | None:
    limit = 6 if job.spec.backoff_limit is None else job.spec.backoff_limit
    if found.fail_message:
        return "PodFailurePolicy", found.fail_message
    if found.failed > limit or _restarted_too_often(job, found.active, limit):
        return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
    left = deadline_in(job, now)
    if left is not None and left <= 0:
        return "DeadlineExceeded", "Job was active longer than specified deadline"
    if indexed(job) and job.spec.backoff_limit_per_index is not None:
        most = job.spec.max_failed_indexes
        if most is not None and len(found.failed_indexes) > most:
            return "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        done = len(found.failed_indexes | found.completed) >= (job.spec.completions or 0)
        if found.failed_indexes and done:
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


def _success(job: Job, found: Tally) -> tuple[str, str] | None:
    rules = job.spec.success_policy.rules if job.spec.success_policy is not None and indexed(job) else None
    for number, rule in enumerate(rules or ()):
        told = indexes.parse(rule.succeeded_indexes, job.spec.completions or 0)
        among = found.completed & told if rule.succeeded_indexes is not None else found.completed
        needed = rule.succeeded_count if rule.succeeded_count is not None else len(told)
        if needed and len(among) >= needed:
            return "SuccessPolicy", f"Matched rules at index {number}"
    completions = job.spec.completions
    if completions is None:
        return REACHED if found.succeeded > 0 and not found.active and not found.terminating else None
    if found.succeeded >= completions and not found.active:
        return REACHED
    return None


def final(held: JobCondition, now: float) -> JobCondition:
    """The last condition of a Job that has reached `held`."""
    kind = FAILED if held.type == FAILURE_TARGET else COMPLETE
    return condition(kind, "True", held.reason, held.message, now)
