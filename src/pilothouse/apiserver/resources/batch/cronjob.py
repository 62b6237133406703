"""CronJob: its job template gets the defaults of pods, but none of jobs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.batch.v1 import CronJob
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.table.cells import NONE, age, joined, selector
from pilothouse.semantics.validation.names import dns_subdomain, limited


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


STRATEGY = Strategy(
    type=CronJob,
    prefix="cronjobs",
    name=limited(dns_subdomain, 52),
    generation=("spec",),
    defaults=defaults,
    status=Status(),
    row=row,
)
