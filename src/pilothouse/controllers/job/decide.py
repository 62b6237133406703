"""One step of a Job. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.batch.v1 import Job, JobCondition, JobStatus
from pilothouse.api.types.core.v1 import Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodTemplateSpec
from pilothouse.controllers.job import indexes, verdict
from pilothouse.controllers.job.tally import (
    FAILURES,
    FINALIZER,
    Tally,
    index_failures,
    indexed,
    replaces_only_failed,
    tally,
)
from pilothouse.controllers.pod_control import pod_of
from pilothouse.semantics import conditions
from pilothouse.semantics.pods import is_ready

BACKOFF, BACKOFF_MOST = 10.0, 600.0
MOST_AT_ONCE = 500
ENVIRONMENT = "JOB_COMPLETION_INDEX"
replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Failures:
    """Pods that failed in a row since the last success, and when the last of them did."""

    count: int = 0
    last: float = 0.0

    def delay_left(self, now: float) -> float:
        if not self.count:
            return 0.0
        return max(self.last + min(BACKOFF * 2.0 ** (self.count - 1), BACKOFF_MOST) - now, 0.0)


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
    failures: Failures = Failures()
    uncounted: bool = False


def decide(job: Job, pods: Sequence[Pod], failures: Failures, now: float) -> Plan:
    """The next step of an unfinished Job with these pods; `failures` is what the last plan remembered."""
    suspended = bool(job.spec.suspend)
    status = _started(job, suspended, now)
    job = replace(job, status=status)
    found = tally(job, pods)
    plan = Plan(status, failures=_remember(failures, found, now), free=list(found.ended))
    goal = verdict.target(job, found, now)
    if goal is not None:
        plan.delete = list(found.active)
    elif job.metadata.deletion_timestamp is None:
        status = _suspension(plan, status, suspended, now)
        _manage(job, found, plan, pods, now)
    plan.uncounted = goal is None
    ending = goal is not None and bool(found.active or found.terminating)
    active = 0 if goal is not None or (suspended and plan.delete) else len(found.active)
    status = replace(
        status,
        active=active - len(plan.delete) if goal is None and not suspended else active,
        ready=0 if goal is not None or suspended else sum(is_ready(p) for p in found.active if p not in plan.delete),
        terminating=len(found.terminating) + len(plan.delete),
        succeeded=found.counted_succeeded,
        failed=found.counted_failed,
        completed_indexes=indexes.render(found.completed) if indexed(job) else status.completed_indexes,
        failed_indexes=indexes.render(found.failed_indexes)
        if job.spec.backoff_limit_per_index is not None
        else status.failed_indexes,
        uncounted_terminated_pods=found.uncounted,
    )
    if goal is not None:
        status = replace(status, conditions=conditions.put(status.conditions, goal))
        pending = found.uncounted.succeeded or found.uncounted.failed or found.ended
        if not ending and not pending:
            status = _finish(plan, status, verdict.final(goal, now), now)
    plan.status = status
    _set_alarm(job, plan, now)
    return plan


def _started(job: Job, suspended: bool, now: float) -> JobStatus:
    if job.status.start_time is None and not suspended:
        return replace(job.status, start_time=format_time(now))
    return job.status


def _remember(failures: Failures, found: Tally, now: float) -> Failures:
    if found.new_succeeded:
        failures = Failures()
    if found.new_failed:
        ends = [_end_of(p, now) for p in found.new_failed]
        failures = Failures(failures.count + len(ends), max(failures.last, *ends))
    return failures


def _end_of(pod: Pod, now: float) -> float:
    ended = [s.state.terminated for s in pod.status.container_statuses if s.state.terminated is not None]
    stamps = [parse_time(t.finished_at) for t in ended if t.finished_at]
    return max(stamps, default=now)


def _suspension(plan: Plan, status: JobStatus, suspended: bool, now: float) -> JobStatus:
    held = conditions.find(status.conditions, verdict.SUSPENDED)
    if suspended and (held is None or held.status != "True"):
        told = verdict.condition(verdict.SUSPENDED, "True", "JobSuspended", "Job suspended", now)
        plan.events.append(("Normal", "Suspended", "Job suspended"))
        return replace(status, start_time=None, conditions=conditions.put(status.conditions, told))
    if not suspended and held is not None and held.status == "True":
        told = verdict.condition(verdict.SUSPENDED, "False", "JobResumed", "Job resumed", now)
        plan.events.append(("Normal", "Resumed", "Job resumed"))
        return replace(status, start_time=format_time(now), conditions=conditions.put(status.conditions, told))
    return status


def _manage(job: Job, found: Tally, plan: Plan, pods: Sequence[Pod], now: float) -> None:
    """Too many pods go, missing ones come, unless the Job is suspended or backs off after failures."""
    if job.spec.suspend:
        plan.delete = list(found.active)
        return
    wanted = _wanted(job, found)
    surplus = len(found.active) - wanted
    doubled = _doubles(found.active) if indexed(job) else []
    if surplus > 0 or doubled:
        count = max(surplus, len(doubled))
        rest = sorted((p for p in found.active if p not in doubled), key=_keep_last)
        plan.delete = [*doubled, *rest][:count]
        return
    occupied = len(found.active) + (len(found.terminating) if replaces_only_failed(job) else 0)
    missing = min(wanted - occupied, MOST_AT_ONCE)
    if missing <= 0:
        return
    delay = plan.failures.delay_left(now) if job.spec.backoff_limit_per_index is None else 0.0
    if delay > 0:
        plan.again_in = delay
        return
    if indexed(job):
        plan.create = [index_pod(job, number, pods) for number in _free_indexes(job, found)[:missing]]
    else:
        plan.create = [_tracked(pod_of(job.spec.template, job))] * missing


def _wanted(job: Job, found: Tally) -> int:
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.completions is None:
        return len(found.active) if found.succeeded > 0 else parallelism
    left = job.spec.completions - found.succeeded
    if job.spec.backoff_limit_per_index is not None:
        left = job.spec.completions - len(found.completed | found.failed_indexes)
    return max(min(left, parallelism), 0)


def _keep_last(pod: Pod) -> tuple[bool, bool, str]:
    """Pods without a node, then unready ones, go first; of equals the youngest."""
    stamp = "".join(chr(0x10FFFF - ord(c)) for c in pod.metadata.creation_timestamp)
    return bool(pod.spec.node_name), is_ready(pod), stamp


def _doubles(active: Sequence[Pod]) -> list[Pod]:
    """Pods whose index another active one has too, or that have none."""
    seen: set[int] = set()
    found = []
    for pod in sorted(active, key=_keep_last, reverse=True):
        number = indexes.index_of(pod)
        if number < 0 or number in seen:
            found.append(pod)
        seen.add(number)
    return found


def _free_indexes(job: Job, found: Tally) -> list[int]:
    used = {indexes.index_of(p) for p in found.active} | found.completed
    if replaces_only_failed(job):
        used |= {indexes.index_of(p) for p in found.terminating}
    if job.spec.backoff_limit_per_index is not None:
        used |= found.failed_indexes
    return [n for n in range(job.spec.completions or 0) if n not in used]


def _tracked(pod: Pod) -> Pod:
    finalizers = (*pod.metadata.finalizers, FINALIZER)
    return replace(pod, metadata=replace(pod.metadata, finalizers=tuple(dict.fromkeys(finalizers))))


def index_pod(job: Job, number: int, pods: Sequence[Pod]) -> Pod:
    """The pod for one index: it knows its number by annotation, label, environment and hostname."""
    pod = _tracked(pod_of(_with_index(job.spec.template, job, number), job, prefix=f"{job.metadata.name}-{number}-"))
    if job.spec.backoff_limit_per_index is None:
        return pod
    before = [index_failures(p) + (p.status.phase == "Failed") for p in pods if indexes.index_of(p) == number]
    annotations = {**pod.metadata.annotations, FAILURES: str(max(before, default=0))}
    return replace(pod, metadata=replace(pod.metadata, annotations=annotations))


def _with_index(template: PodTemplateSpec, job: Job, number: int) -> PodTemplateSpec:
    meta, spec = template.metadata, template.spec
    told = {indexes.ANNOTATION: str(number)}
    field = ObjectFieldSelector(field_path=f"metadata.labels['{indexes.ANNOTATION}']")
    variable = EnvVar(name=ENVIRONMENT, value_from=EnvVarSource(field_ref=field))

    def informed(containers: Sequence[Container]) -> tuple[Container, ...]:
        return tuple(
            c if any(e.name == ENVIRONMENT for e in c.env) else replace(c, env=(*c.env, variable)) for c in containers
        )

    return replace(
        template,
        metadata=replace(meta, labels={**meta.labels, **told}, annotations={**meta.annotations, **told}),
        spec=replace(
            spec,
            containers=informed(spec.containers or ()),
            init_containers=informed(spec.init_containers),
            hostname=spec.hostname or f"{job.metadata.name}-{number}",
        ),
    )


def _finish(plan: Plan, status: JobStatus, last: JobCondition, now: float) -> JobStatus:
    status = replace(status, conditions=conditions.put(status.conditions, last))
    if last.type == verdict.COMPLETE:
        plan.events.append(("Normal", "Completed", "Job completed"))
        return replace(status, completion_time=format_time(now))
    plan.events.append(("Warning", last.reason, last.message))
    return status


def _set_alarm(job: Job, plan: Plan, now: float) -> None:
    left = verdict.deadline_in(replace(job, status=plan.status), now)
    if left is not None and not verdict.finished(plan.status):
        plan.again_in = min(max(left, 0.0) + 0.01, plan.again_in or left + 1)
