"""CronJob: its job template gets the defaults of pods, but none of jobs."""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, invalid, not_supported, required
from pilothouse.api.types.batch.v1 import CronJob, CronJobSpec
from pilothouse.kinds.apps.workload import numbers
from pilothouse.kinds.batch import job_rules
from pilothouse.kinds.cells import NONE, age, joined, selector
from pilothouse.kinds.core.podspec import checks, gated, warnings
from pilothouse.kinds.core.podspec.defaults import template
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy
from pilothouse.semantics import cron
from pilothouse.semantics.validation.names import dns_subdomain

POLICIES = ("Allow", "Forbid", "Replace")
_NAME_LIMIT = 52
_ZONE_PART = re.compile(r"(?!-)[A-Za-z._0-9+-]{1,14}\Z")
_zones = functools.cache(zoneinfo.available_timezones)


def defaults(obj: CronJob) -> CronJob:
    spec = obj.spec
    successful, failed = spec.successful_jobs_history_limit, spec.failed_jobs_history_limit
    job = spec.job_template
    job = replace(job, spec=replace(job.spec, template=template(job.spec.template)))
    return replace(
        obj,
        spec=replace(
            spec,
            concurrency_policy=spec.concurrency_policy or "Allow",
            suspend=False if spec.suspend is None else spec.suspend,
            successful_jobs_history_limit=3 if successful is None else successful,
            failed_jobs_history_limit=1 if failed is None else failed,
            job_template=job,
        ),
    )


def without_gated(obj: CronJob) -> CronJob:
    job = obj.spec.job_template
    made = gated.of_template(job)
    return obj if made is job else replace(obj, spec=replace(obj.spec, job_template=made))


def row(obj: CronJob, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    containers = spec.job_template.spec.template.spec.containers or ()
    return (
        obj.metadata.name,
        spec.schedule,
        spec.time_zone or NONE,
        "True" if spec.suspend else "False",
        len(status.active),
        age(status.last_schedule_time, now) if status.last_schedule_time else NONE,
        age(obj.metadata.creation_timestamp, now),
        joined((c.name for c in containers), empty=""),
        joined((c.image for c in containers), empty=""),
        selector(spec.job_template.spec.selector),
    )


def _time_zone(name: str) -> FieldErrors:
    path = "spec.timeZone"
    if not name:
        return [invalid(path, name, "timeZone must be nil or non-empty string")]
    unknown = invalid(path, name, f"unknown time zone {name}")
    if any(part in (".", "..") or not _ZONE_PART.match(part) for part in name.split("/")):
        return [unknown]
    errors: FieldErrors = []
    if name.lower() == "local":
        detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid(path, name, detail))
    if name != "Local" and name not in _zones():
        errors.append(unknown)
    return errors


def _schedule(text: str, spec: CronJobSpec, old: CronJobSpec | None) -> FieldErrors:
    """A zone within a schedule is for those that had one before."""
    path = "spec.schedule"
    if not text:
        return [required(path)]
    errors: FieldErrors = []
    try:
        cron.parse(text)
    except cron.CronError as error:
        errors.append(invalid(path, text, str(error)))
    if "TZ" not in text:
        return errors
    if old is None or "TZ" not in old.schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(invalid(path, text, detail))
    elif spec.time_zone is not None:
        detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        errors.append(invalid(path, text, detail))
    return errors


def validate(obj: CronJob) -> FieldErrors:
    errors = _spec(obj.spec, None)
    if len(obj.metadata.name) > _NAME_LIMIT:  # a job's name has eleven characters more
        detail = f"must be no more than {_NAME_LIMIT} characters"
        errors.append(invalid("metadata.name", obj.metadata.name, detail))
    return errors


def _spec(spec: CronJobSpec, old: CronJobSpec | None) -> FieldErrors:
    errors = _schedule(spec.schedule, spec, old)
    errors += numbers("spec", [("startingDeadlineSeconds", spec.starting_deadline_seconds)])
    if spec.time_zone is not None and (old is None or old.time_zone != spec.time_zone):
        errors += _time_zone(spec.time_zone)
    errors += checks.one_of("spec.concurrencyPolicy", spec.concurrency_policy, POLICIES, empty_is="required")
    path, job = "spec.jobTemplate", spec.job_template
    errors += job_rules.job_spec(f"{path}.spec", job.spec)
    if job.spec.selector is not None:
        errors.append(invalid(f"{path}.spec.selector", job.spec.selector, "`selector` will be auto-generated"))
    if job.spec.manual_selector:
        errors.append(not_supported(f"{path}.spec.manualSelector", True, ("nil", "false")))
    return errors + numbers(
        "spec",
        [
            ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
            ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
        ],
    )


_ZONED = (
    "CRON_TZ or TZ used in spec.schedule is not officially supported, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)


def warn(obj: CronJob) -> Sequence[str]:
    found = warnings.name_warnings(obj.metadata.name, "Pod names and hostnames")
    return [*found, *job_rules.warnings("spec.jobTemplate.spec", obj.spec.job_template.spec)]


def warn_update(new: CronJob, old: CronJob) -> Sequence[str]:
    found: list[str] = []
    if new.metadata.generation != old.metadata.generation:
        found += job_rules.warnings("spec.jobTemplate.spec", new.spec.job_template.spec)
    return [*found, _ZONED] if "TZ" in new.spec.schedule else found


STRATEGY = Strategy(
    type=CronJob,
    prefix="cronjobs",
    name=dns_subdomain,
    generation=("spec",),
    defaults=defaults,
    prepare_create=lambda obj, write: without_gated(obj),
    prepare_update=lambda new, old, write: without_gated(new),
    validate=validate,
    validate_update=lambda new, old: _spec(new.spec, old.spec),
    warnings=warn,
    warnings_update=warn_update,
    status=Status(meta_update=MetaUpdate(change=0)),
    row=row,
)
