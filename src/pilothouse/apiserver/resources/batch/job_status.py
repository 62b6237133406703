"""What the status of a Job may become: it cannot contradict itself, nor go back. Pure."""

from __future__ import annotations

from pilothouse.api.field_errors import OMITTED, FieldErrors, invalid, required
from pilothouse.api.types.batch.v1 import Job, JobStatus

_FINISHED = ("Complete", "Failed")


def _true(status: JobStatus, kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in status.conditions)


def _contradictions(status: JobStatus) -> FieldErrors:
    errors: FieldErrors = []
    complete, failed = (_true(status, kind) for kind in _FINISHED)
    at = "status.conditions"
    if complete and failed:
        errors.append(invalid(at, OMITTED, "cannot set Complete=True and Failed=true conditions"))
    if _true(status, "FailureTarget") and complete:
        errors.append(invalid(at, OMITTED, "cannot set Complete=True and FailureTarget=true conditions"))
    if _true(status, "SuccessCriteriaMet") and failed:
        errors.append(invalid(at, OMITTED, "cannot set Failed=True and SuccessCriteriaMet=true conditions"))
    if complete and status.completion_time is None:
        errors.append(required("status.completionTime", "completionTime is required for Complete jobs"))
    if not complete and status.completion_time is not None:
        detail = "cannot set completionTime when there is no Complete=True condition"
        errors.append(invalid("status.completionTime", status.completion_time, detail))
    if failed and not _true(status, "FailureTarget"):
        detail = "cannot set Failed=True condition without the FailureTarget=true condition"
        errors.append(invalid(at, OMITTED, detail))
    if complete and not _true(status, "SuccessCriteriaMet"):
        detail = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        errors.append(invalid(at, OMITTED, detail))
    if (complete or failed) and status.active > 0:
        errors.append(invalid("status.active", status.active, "active>0 is invalid for finished job"))
    if status.ready is not None and status.ready > status.active >= 0:
        errors.append(invalid("status.ready", status.ready, "cannot set more ready pods than active"))
    return errors


def update(new: Job, old: Job) -> FieldErrors:
    """Errors of a change of status beside negative numbers."""
    status, before = new.status, old.status
    errors: FieldErrors = []
    for kind in _FINISHED:
        if _true(before, kind) and not _true(status, kind):
            errors.append(invalid("status.conditions", OMITTED, f"cannot disable the terminal {kind}=True condition"))
    errors += _contradictions(status)
    for name, now, then in (
        ("failed", status.failed, before.failed),
        ("succeeded", status.succeeded, before.succeeded),
    ):
        if now < then:
            errors.append(invalid(f"status.{name}", now, f"cannot decrease the {name} counter"))
    if before.start_time is not None and status.start_time != before.start_time and not new.spec.suspend:
        detail = "field is immutable for unsuspended job once set"
        errors.append(invalid("status.startTime", status.start_time, detail))
    for kind in ("SuccessCriteriaMet", "FailureTarget"):
        if _true(before, kind) and not _true(status, kind):
            errors.append(invalid("status.conditions", OMITTED, f"cannot disable the {kind}=True condition"))
    return errors
