"""What a CronJob should start, replace and forget. Pure."""

from __future__ import annotations

import email.utils
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from pilothouse.api.go_text import quote
from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.batch.v1 import CronJob, CronJobStatus, Job
from pilothouse.api.types.core.v1 import ObjectReference
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.job.verdict import COMPLETE, FAILED, finished
from pilothouse.semantics.conditions import is_true
from pilothouse.semantics.cron import Schedule, parse
from pilothouse.semantics.ownership import controller_reference

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MANY_MISSED = 100
UNSUPPORTED = (
    "CRON_TZ or TZ used in schedule {} is not officially supported, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)
Event = tuple[str, str, str]
replace = msgspec.structs.replace


@dataclass(slots=True)
class Plan:
    """What to write: delete running Jobs (Replace), start one, forget old ones, then the status."""

    status: CronJobStatus
    replace: list[Job] = field(default_factory=list)
    start: Job | None = None
    scheduled: str | None = None
    """The moment that `start` is for: the status's lastScheduleTime once it is made."""
    forget: list[Job] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    again_in: float | None = None


def reference_to(job: Job) -> ObjectReference:
    meta = job.metadata
    return ObjectReference(
        kind="Job",
        api_version="batch/v1",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )


def job_of(cron: CronJob, moment: float) -> Job:
    """The Job of one moment; its name tells the minute, so that no moment is started twice."""
    template = cron.spec.job_template
    zone = zoneinfo.ZoneInfo(cron.spec.time_zone) if cron.spec.time_zone else UTC
    stamp = datetime.fromtimestamp(moment, zone).isoformat().replace("+00:00", "Z")
    return Job(
        metadata=ObjectMeta(
            name=f"{cron.metadata.name}-{int(moment) // 60}",
            namespace=cron.metadata.namespace,
            labels=template.metadata.labels,
            annotations={**template.metadata.annotations, SCHEDULED: stamp},
            owner_references=(controller_reference(cron),),
        ),
        spec=template.spec,
    )


def schedule_of(cron: CronJob) -> Schedule:
    """The schedule in the CronJob's zone; a zone within the schedule wins. Raises CronError."""
    text, zone = cron.spec.schedule, cron.spec.time_zone
    return parse(text if zone is None or "TZ" in text else f"TZ={zone} {text}")


def known_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def missed(cron: CronJob, schedule: Schedule, now: float) -> tuple[float | None, bool]:
    """(the latest moment that was not started yet, whether very many were missed)."""
    since = parse_time(cron.metadata.creation_timestamp) if cron.metadata.creation_timestamp else now
    if cron.status.last_schedule_time:
        since = parse_time(cron.status.last_schedule_time)
    if cron.spec.starting_deadline_seconds is not None:
        since = max(since, now - cron.spec.starting_deadline_seconds)
    moment = schedule.next(since)
    if moment is None or moment > now:
        return None, False
    following = schedule.next(moment)
    if following is None or following > now:
        return moment, False
    # Many moments lie in between: come near the last in large steps instead of counting each.
    step = following - moment
    count = (now - moment) / max(step, 1.0)
    if count > MANY_MISSED:
        near = schedule.next(now - 2 * step - 60)
        moment = near if near is not None and near <= now else moment
    while (following := schedule.next(moment)) is not None and following <= now:
        moment = following
    return moment, count > MANY_MISSED


def decide(cron: CronJob, jobs: Sequence[Job], now: float) -> Plan:
    """The next step of a CronJob that controls `jobs`. Raises CronError."""
    plan = Plan(cron.status)
    _sort_out(cron, jobs, plan)
    _forget(cron, jobs, plan)
    if cron.metadata.deletion_timestamp is not None or cron.spec.suspend:
        return plan
    if cron.spec.time_zone is not None and not known_zone(cron.spec.time_zone):
        zone = cron.spec.time_zone
        plan.events.append(("Warning", "UnknownTimeZone", f'invalid timeZone: "{zone}": unknown time zone {zone}'))
        return plan
    if "TZ" in cron.spec.schedule:
        plan.events.append(("Warning", "UnsupportedSchedule", UNSUPPORTED.format(quote(cron.spec.schedule))))
    schedule = schedule_of(cron)
    moment, many = missed(cron, schedule, now)
    upcoming = schedule.next(now)
    plan.again_in = upcoming - now + 0.1 if upcoming is not None else None
    if many:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        plan.events.append(("Warning", "TooManyMissedTimes", text))
    if moment is None:
        return plan
    deadline = cron.spec.starting_deadline_seconds
    if deadline is not None and moment + deadline < now:
        stamp = email.utils.format_datetime(datetime.fromtimestamp(moment, UTC))
        text = f"Missed scheduled time to start a job: {stamp}"
        plan.events.append(("Warning", "MissSchedule", text))
        return plan
    _start(cron, jobs, moment, plan)
    return plan


def _start(cron: CronJob, jobs: Sequence[Job], moment: float, plan: Plan) -> None:
    made = job_of(cron, moment)
    active = plan.status.active
    last = cron.status.last_schedule_time
    if any(r.name == made.metadata.name for r in active) or (last and parse_time(last) == moment):
        return
    if cron.spec.concurrency_policy == "Forbid" and active:
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        plan.events.append(("Normal", "JobAlreadyActive", text))
        return
    if cron.spec.concurrency_policy == "Replace":
        uids = {r.uid for r in active}
        plan.replace = [j for j in jobs if j.metadata.uid in uids]
        plan.status = replace(plan.status, active=())
    plan.start = made
    plan.scheduled = format_time(moment)


def _sort_out(cron: CronJob, jobs: Sequence[Job], plan: Plan) -> None:
    """Bring the list of active Jobs up to date. Running Jobs that are not in it are told of and left alone: whoever
    made them minds them."""
    by_uid = {j.metadata.uid: j for j in jobs}
    listed = {r.uid for r in cron.status.active}
    last = cron.status.last_successful_time
    for job in jobs:
        name, over = job.metadata.name, finished(job.status)
        succeeded = is_true(job.status.conditions, COMPLETE)
        if not over and job.metadata.uid not in listed:
            text = f"Saw a job that the controller did not create or forgot: {name}"
            plan.events.append(("Warning", "UnexpectedJob", text))
        elif over and job.metadata.uid in listed:
            text = f"Saw completed job: {name}, condition: {COMPLETE if succeeded else FAILED}"
            plan.events.append(("Normal", "SawCompletedJob", text))
        if succeeded and job.status.completion_time:
            last = max(last or "", job.status.completion_time)
    kept: list[ObjectReference] = []
    for reference in cron.status.active:
        held = by_uid.get(reference.uid)
        if held is None:
            plan.events.append(("Normal", "MissingJob", f"Active job went missing: {reference.name}"))
        elif not finished(held.status):
            kept.append(reference)
    plan.status = replace(plan.status, active=tuple(kept), last_successful_time=last)


def _forget(cron: CronJob, jobs: Sequence[Job], plan: Plan) -> None:
    """Old finished Jobs beyond the limits of the history."""
    for outcome, limit in (
        (COMPLETE, cron.spec.successful_jobs_history_limit),
        (FAILED, cron.spec.failed_jobs_history_limit),
    ):
        if limit is None:
            continue
        ended = [j for j in jobs if is_true(j.status.conditions, outcome) and j.metadata.deletion_timestamp is None]
        ended.sort(key=lambda j: (j.status.start_time or "", j.metadata.name))
        plan.forget += ended[: max(len(ended) - limit, 0)]
