"""One step of a Job. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.batch.v1 import Job, JobCondition, JobStatus
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.job import indexes, verdict
from pilothouse.controllers.job.backoff import Failures, index_delay_left
from pilothouse.controllers.job.pods import index_pod, plain_pod
from pilothouse.controllers.job.tally import Tally, account, indexed, limited_per_index, replaces_only_failed, tally
from pilothouse.semantics import conditions
from pilothouse.semantics.pods import is_ready, ready_since, restarts

MOST_AT_ONCE = 500
RECONCILING, TRACKING, CREATED, DELETED = "reconciling", "tracking", "pods_created", "pods_deleted"
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}
replace = msgspec.structs.replace


@dataclass(slots=True)
class Plan:
    """What to do, in this order: delete, create, write the status, free the ended pods of their finalizer. Pods that
    are deleted `uncounted` (too many, or suspended) are freed first, so that they count for nothing."""

    status: JobStatus
    create: list[Pod] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)
    free: list[Pod] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    again_in: float | None = None
    failures: Failures = field(default_factory=Failures)
    uncounted: bool = False
    action: str = RECONCILING
    """What this is to pods, in the words of metrics."""
    judged: tuple[str, ...] = ()
    """The actions of the pod failure policy that pods met which are counted now."""
    failed: int = 0
    """Pods that failed so far."""


def decide(job: Job, pods: Sequence[Pod], failures: Failures, now: float) -> Plan:
    """The next step of an unfinished Job with these pods; `failures` is what the last plan remembered.

    Follows syncJob of upstream's job controller. Pods that the plan creates are not in its status yet."""
    suspended, deleted = bool(job.spec.suspend), job.metadata.deletion_timestamp is not None
    status = job.status
    if status.start_time is None and not suspended:
        status = replace(status, start_time=format_time(now))
        job = replace(job, status=status)
    count = tally(job, pods)
    plan = Plan(status, failures=failures.followed_by(count.new_succeeded, count.new_failed), failed=count.failed)
    goal = verdict.target(job, count, now)
    changed: tuple[JobCondition, ...] = status.conditions
    start = status.start_time
    if goal is not None:
        plan.delete = list(count.active)
    else:
        if not deleted:
            _manage(job, count, plan, now)
        if verdict.reached(job, count, len(count.active) - len(plan.delete) + len(plan.create)):
            goal = verdict.condition(verdict.CRITERIA_MET, "True", *verdict.REACHED, now)
        elif not deleted:
            changed, start = _suspension(plan, status, suspended, now)
        plan.uncounted = True
    failing = goal is not None and goal.type == verdict.FAILURE_TARGET
    books = account(job, count, pods, ends=goal is not None or deleted, failing=failing)
    plan.judged = books.judged
    going = {p.metadata.uid for p in plan.delete}
    staying = [p for p in count.active if p.metadata.uid not in going]
    plan.free = [p for p in books.ended if not (plan.uncounted and p.metadata.uid in going)]
    plan.status = replace(
        books.status,
        conditions=changed,
        start_time=start,
        active=len(staying),
        ready=sum(map(is_ready, staying)),
        terminating=len(count.terminating) + len(plan.delete),
    )
    if goal is not None:
        _conclude(job, plan, goal, now)
    _set_alarm(job, plan, now)
    return plan


def _conclude(job: Job, plan: Plan, goal: JobCondition, now: float) -> None:
    """Say how the Job will end, and, once every pod is gone and counted, that it has."""
    status = replace(plan.status, conditions=conditions.put(plan.status.conditions, goal))
    noted = status.uncounted_terminated_pods
    if not status.terminating and not plan.free and not (noted and (noted.succeeded or noted.failed)):
        last = verdict.final(goal, now)
        status = replace(status, conditions=conditions.put(status.conditions, last))
        if last.type == verdict.COMPLETE:
            if job.spec.completions is not None and status.succeeded > job.spec.completions:
                text = "Too many succeeded pods running after completion count reached"
                plan.events.append(("Warning", "TooManySucceededPods", text))
            plan.events.append(("Normal", "Completed", "Job completed"))
            status = replace(status, completion_time=format_time(now))
        else:
            plan.events.append(("Warning", last.reason, last.message))
    plan.status = status


def _suspension(
    plan: Plan, status: JobStatus, suspended: bool, now: float
) -> tuple[tuple[JobCondition, ...], str | None]:
    """The conditions and the start time after the Job was suspended or resumed."""
    before = conditions.find(status.conditions, verdict.SUSPENDED)
    if suspended and (before is None or before.status != "True"):
        after = verdict.condition(verdict.SUSPENDED, "True", "JobSuspended", "Job suspended", now)
        plan.events.append(("Normal", "Suspended", "Job suspended"))
        return conditions.put(status.conditions, after), None
    if not suspended and before is not None and before.status == "True":
        after = verdict.condition(verdict.SUSPENDED, "False", "JobResumed", "Job resumed", now)
        plan.events.append(("Normal", "Resumed", "Job resumed"))
        return conditions.put(status.conditions, after), format_time(now)
    return status.conditions, status.start_time


def _manage(job: Job, count: Tally, plan: Plan, now: float) -> None:
    """Too many pods go, missing ones come, unless the Job is suspended or backs off after failures."""
    plan.action = DELETED
    if job.spec.suspend:
        plan.delete = list(count.active)
        return
    goal = _goal(job, count)
    plan.delete = _surplus(job, count.active, max(len(count.active) - goal, 0))[:MOST_AT_ONCE]
    if plan.delete:
        return
    occupied = len(count.active) + (len(count.terminating) if replaces_only_failed(job) else 0)
    missing = min(goal - occupied, MOST_AT_ONCE)
    if missing <= 0:
        plan.action = TRACKING
        return
    plan.action = CREATED
    delay = 0.0 if limited_per_index(job) else plan.failures.delay_left(now)
    if delay > 0:
        plan.again_in = delay
    elif indexed(job):
        _create_indexes(job, count, plan, missing, now)
    else:
        plan.create = [plain_pod(job)] * missing


def _create_indexes(job: Job, count: Tally, plan: Plan, missing: int, now: float) -> None:
    """Pods for the first indexes that have none; those that back off wait, each for itself."""
    delays = {n: index_delay_left(count.replaceable.get(n), now) for n in _pending_indexes(job, count, missing)}
    plan.create = [index_pod(job, n, count.replaceable.get(n)) for n, delay in delays.items() if delay <= 0]
    plan.again_in = min((delay for delay in delays.values() if delay > 0), default=None)


def _goal(job: Job, count: Tally) -> int:
    """How many pods should run."""
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.completions is None:
        return len(count.active) if count.succeeded > 0 else parallelism
    return max(min(job.spec.completions - count.succeeded, parallelism), 0)


def _surplus(job: Job, active: Sequence[Pod], least: int) -> list[Pod]:
    """Pods to give up: those with an index that another has too, that none should have, or none at all; and of the rest
    the least advanced, so that there are `least` in all."""
    surplus: list[Pod] = []
    rest: Iterable[Pod] = active
    if indexed(job):
        kept: dict[int, Pod] = {}
        for pod in sorted(active, key=_advance):
            number = indexes.index_of(pod)
            if not 0 <= number < (job.spec.completions or 0):
                surplus.append(pod)
            else:
                surplus += [kept[number]] if number in kept else []
                kept[number] = pod
        rest = kept.values()
    if len(surplus) < least:
        surplus += sorted(rest, key=_advance)[: least - len(surplus)]
    return surplus


def _advance(pod: Pod) -> tuple[bool, int, bool, float, int, float]:
    """How far a pod has come: without a node, pending, unready, ready for a short time, restarting, young go first."""
    born = pod.metadata.creation_timestamp
    return (
        bool(pod.spec.node_name),
        _PHASE_RANK.get(pod.status.phase, 0),
        is_ready(pod),
        -(ready_since(pod) or 0.0),
        -restarts(pod),
        -parse_time(born) if born else 0.0,
    )


def _pending_indexes(job: Job, count: Tally, most: int) -> list[int]:
    """The first `most` indexes that neither have a pod nor are done with."""
    used = {indexes.index_of(p) for p in count.active} | count.completed | count.failed_indexes
    if replaces_only_failed(job):
        used |= {indexes.index_of(p) for p in count.terminating}
    pending: list[int] = []
    for number in range(job.spec.completions or 0):
        if len(pending) == most:
            break
        if number not in used:
            pending.append(number)
    return pending


def _set_alarm(job: Job, plan: Plan, now: float) -> None:
    left = verdict.deadline_in(replace(job, status=plan.status), now)
    if left is not None and not verdict.finished(plan.status):
        plan.again_in = min(max(left, 0.0) + 0.01, plan.again_in or left + 1)
