"""What the status of a Job may become: it cannot contradict itself, nor go back. Pure.

A contradiction is told only where what it is about has changed: a status that was bad before does not hinder others.
"""

from __future__ import annotations

from pilothouse.api.field_errors import OMITTED, FieldError, FieldErrors, duplicate, invalid, required
from pilothouse.api.time import parse_time
from pilothouse.api.types.batch.v1 import Job, JobStatus
from pilothouse.kinds.apps.workload import IMMUTABLE
from pilothouse.kinds.batch.job_rules import count_indexes, overlap

_COMPLETE, _FAILED, _TARGET, _MET = "Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"


def _true(status: JobStatus) -> frozenset[str]:
    """The types of the conditions that are true."""
    return frozenset(c.type for c in status.conditions if c.status == "True")


def _condition(detail: str) -> FieldError:
    return invalid("status.conditions", OMITTED, detail)


def _uncounted(status: JobStatus) -> FieldErrors:
    pods = status.uncounted_terminated_pods
    if pods is None:
        return []
    errors: FieldErrors = []
    seen: set[str] = set()
    for name, uids in (("succeeded", pods.succeeded), ("failed", pods.failed)):
        for index, uid in enumerate(uids):
            at = f"status.uncountedTerminatedPods.{name}[{index}]"
            if not uid:
                errors.append(invalid(at, uid, "must not be empty"))
            elif uid in seen:
                errors.append(duplicate(at, uid))
            seen.add(uid)
    return errors


def _conditions(new: JobStatus, old: JobStatus) -> FieldErrors:
    """Conditions that exclude or demand each other, and the time of completion."""
    errors: FieldErrors = []
    true, before = _true(new), _true(old)
    turned = true ^ before
    complete, failed = _COMPLETE in true, _FAILED in true
    finished_when, started = new.completion_time, new.start_time
    timed = _COMPLETE in turned or finished_when != old.completion_time
    if complete and failed and turned & {_COMPLETE, _FAILED}:
        errors.append(_condition("cannot set Complete=True and Failed=true conditions"))
    if complete and _TARGET in true and turned & {_COMPLETE, _TARGET}:
        errors.append(_condition("cannot set Complete=True and FailureTarget=true conditions"))
    if timed and not complete and finished_when is not None:
        detail = "cannot set completionTime when there is no Complete=True condition"
        errors.append(invalid("status.completionTime", finished_when, detail))
    if timed and complete and finished_when is None:
        errors.append(required("status.completionTime", "completionTime is required for Complete jobs"))
    if (
        finished_when is not None
        and started is not None
        and (finished_when, started) != (old.completion_time, old.start_time)
        and parse_time(finished_when) < parse_time(started)
    ):
        errors.append(invalid("status.completionTime", finished_when, "completionTime cannot be set before startTime"))
    if failed and _TARGET not in true and turned & {_FAILED, _TARGET}:
        errors.append(_condition("cannot set Failed=True condition without the FailureTarget=true condition"))
    if complete and _MET not in true and turned & {_COMPLETE, _MET}:
        errors.append(_condition("cannot set Complete=True condition without the SuccessCriteriaMet=true condition"))
    return errors


def _finished(new: JobStatus, old: JobStatus) -> FieldErrors:
    """What a job that has finished no longer has, or must have."""
    if not _true(new) & {_COMPLETE, _FAILED}:
        return []
    just = not _true(old) & {_COMPLETE, _FAILED}
    errors: FieldErrors = []
    if new.active > 0 and (just or new.active != old.active):
        errors.append(invalid("status.active", new.active, "active>0 is invalid for finished job"))
    if new.start_time is None and (just or old.start_time is not None):
        errors.append(required("status.startTime", "startTime is required for finished job"))
    pods = new.uncounted_terminated_pods
    if pods is not None and (pods.failed or pods.succeeded) and (just or pods != old.uncounted_terminated_pods):
        detail = "uncountedTerminatedPods needs to be empty for finished job"
        errors.append(invalid("status.uncountedTerminatedPods", pods, detail))
    return errors


def _indexes(new: Job, old: Job) -> FieldErrors:
    spec, status = new.spec, new.status
    completed, failed, completions = status.completed_indexes, status.failed_indexes, spec.completions
    errors: FieldErrors = []
    completed_at, failed_at = "status.completedIndexes", "status.failedIndexes"
    completed_changed, failed_changed = completed != old.status.completed_indexes, failed != old.status.failed_indexes
    per_index = spec.backoff_limit_per_index is not None
    if completed_changed and completions is not None and (fault := count_indexes(completed, completions)[1]):
        errors.append(invalid(completed_at, completed, f"error parsing completedIndexes: {fault}"))
    if failed is not None and failed_changed and completions is not None and per_index:
        fault = count_indexes(failed, completions)[1]
        errors += [invalid(failed_at, failed, f"error parsing failedIndexes: {fault}")] if fault else []
    if completed_changed and completed and spec.completion_mode != "Indexed":
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        errors.append(invalid(completed_at, completed, detail))
    if failed is None:
        return errors
    if failed_changed and not per_index:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        errors.append(invalid(failed_at, failed, detail))
    if (failed_changed or completed_changed) and completions is not None:
        both = overlap(failed, completed, completions)
        if both is not None:
            detail = f"failedIndexes and completedIndexes overlap at index: {both}"
            errors.append(invalid(failed_at, failed, detail))
    return errors


def _pods(new: JobStatus, old: JobStatus) -> FieldErrors:
    errors: FieldErrors = []
    over, before = (bool(_true(status) & {_COMPLETE, _FAILED}) for status in (new, old))
    if new.terminating and new.terminating > 0 and over and (not before or new.terminating != old.terminating):
        detail = "terminating>0 is invalid for finished job"
        errors.append(invalid("status.terminating", new.terminating, detail))
    if new.ready is not None and new.ready > new.active and (new.ready, new.active) != (old.ready, old.active):
        errors.append(invalid("status.ready", new.ready, "cannot set more ready pods than active"))
    return errors


def _success(new: Job) -> FieldErrors:
    true = _true(new.status)
    errors: FieldErrors = []
    if {_MET, _FAILED} <= true:
        errors.append(_condition("cannot set SuccessCriteriaMet=True and Failed=true conditions"))
    if {_MET, _TARGET} <= true:
        errors.append(_condition("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"))
    if new.spec.success_policy is not None and _MET not in true and _COMPLETE in true:
        detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        errors.append(_condition(detail))
    return errors


def _back(new: Job, old: Job) -> FieldErrors:
    """What cannot be taken back."""
    spec, status, before = new.spec, new.status, old.status
    true, was = _true(status), _true(before)
    errors: FieldErrors = [
        _condition(f"cannot disable the terminal {kind}=True condition")
        for kind in (_FAILED, _COMPLETE, _TARGET)
        if kind in was - true
    ]
    if status.failed < before.failed:
        errors.append(invalid("status.failed", status.failed, "cannot decrease the failed counter"))
    scalable = spec.completion_mode == "Indexed" and spec.completions == spec.parallelism
    if status.succeeded < before.succeeded and not scalable:
        errors.append(invalid("status.succeeded", status.succeeded, "cannot decrease the succeeded counter"))
    if status.completion_time is not None and before.completion_time not in (None, status.completion_time):
        errors.append(invalid("status.completionTime", status.completion_time, IMMUTABLE))
    if before.start_time not in (None, status.start_time) and not spec.suspend:
        detail = "field is immutable for unsuspended job once set"
        errors.append(invalid("status.startTime", status.start_time, detail))
    if _MET in was - true:
        errors.append(_condition("cannot disable the SuccessCriteriaMet=True condition"))
    if _COMPLETE in was and _MET in true - was:
        detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        errors.append(_condition(detail))
    return errors


def update(new: Job, old: Job) -> FieldErrors:
    """Errors of a change of status beside negative numbers."""
    status, before = new.status, old.status
    return [
        *_uncounted(status),
        *_conditions(status, before),
        *_finished(status, before),
        *_indexes(new, old),
        *_pods(status, before),
        *_success(new),
        *_back(new, old),
    ]
