"""Validation of a JobSpec, in a Job or in a CronJob's template. Pure."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Sequence

from pilothouse.api import go_text
from pilothouse.api.field_errors import (
    OMITTED,
    FieldErrors,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.types.batch.v1 import Job, JobSpec, PodFailurePolicy, PodFailurePolicyRule, SuccessPolicy
from pilothouse.kinds.apps import workload
from pilothouse.kinds.core.podspec import checks
from pilothouse.kinds.core.podspec import warnings as pod_warnings
from pilothouse.kinds.core.podspec.spec import template as template_errors
from pilothouse.kit.repeats import repeated
from pilothouse.semantics.validation import selectors
from pilothouse.semantics.validation.names import dns_label, longer

PREFIX = "batch.kubernetes.io/"
MODES = ("NonIndexed", "Indexed")
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_PARALLELISM_LIMIT, _COMPLETIONS_LIMIT, _MAX_FAILED_LIMIT = 100_000, 1_000_000_000, 100_000
_BEYOND = 10_000
_RULES_LIMIT, _VALUES_LIMIT, _INDEXES_LIMIT = 20, 255, 64 * 1024
_RESTART = 'valid values: "OnFailure", "Never"'
_TOO_MANY_INDEXES = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes "
    "might not be able to track completedIndexes when a big number of indexes fail"
)
_STATUSES = ("False", "True", "Unknown")


def _numbers(path: str, spec: JobSpec) -> FieldErrors:
    return workload.numbers(
        path,
        [
            ("parallelism", spec.parallelism),
            ("completions", spec.completions),
            ("activeDeadlineSeconds", spec.active_deadline_seconds),
            ("backoffLimit", spec.backoff_limit),
            ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
            ("backoffLimitPerIndex", spec.backoff_limit_per_index),
            ("maxFailedIndexes", spec.max_failed_indexes),
        ],
    )


def _indexed(path: str, spec: JobSpec) -> FieldErrors:
    """What only an indexed job may say, and what it must."""
    errors: FieldErrors = []
    mode = spec.completion_mode
    if mode is not None and mode not in MODES:
        return [not_supported(f"{path}.completionMode", mode, MODES)]
    if mode != "Indexed":
        for name, value in (
            ("backoffLimitPerIndex", spec.backoff_limit_per_index),
            ("maxFailedIndexes", spec.max_failed_indexes),
        ):
            if value is not None:
                errors.append(invalid(f"{path}.{name}", value, "requires indexed completion mode"))
        return errors
    if spec.completions is None:
        errors.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if (spec.parallelism or 0) > _PARALLELISM_LIMIT:
        detail = f"must be less than or equal to {_PARALLELISM_LIMIT} when completion mode is Indexed"
        errors.append(invalid(f"{path}.parallelism", spec.parallelism, detail))
    return errors + _failed_indexes(path, spec)


def _failed_indexes(path: str, spec: JobSpec) -> FieldErrors:
    errors: FieldErrors = []
    most, completions = spec.max_failed_indexes, spec.completions
    at = f"{path}.maxFailedIndexes"
    if completions is not None and most is not None and most > completions:
        errors.append(invalid(at, most, "must be less than or equal to completions"))
    if most is not None and most > _MAX_FAILED_LIMIT:
        errors.append(invalid(at, most, f"must be less than or equal to {_MAX_FAILED_LIMIT}"))
    if (completions or 0) > _MAX_FAILED_LIMIT and spec.backoff_limit_per_index is not None:
        if most is None:
            errors.append(required(at, f"must be specified when completions is above {_MAX_FAILED_LIMIT}"))
        for name, number in (("parallelism", spec.parallelism), ("maxFailedIndexes", most)):
            if (number or 0) > _BEYOND:
                detail = f"must be less than or equal to {_BEYOND} when completions are above {_MAX_FAILED_LIMIT}"
                errors.append(invalid(f"{path}.{name}", number, f"{detail} and used with backoff limit per index"))
    return errors


def _rule(path: str, rule: PodFailurePolicyRule, spec: JobSpec) -> FieldErrors:
    errors: FieldErrors = []
    if not rule.action:
        shown = " ".join(f'"{action}"' for action in ACTIONS)
        errors.append(required(f"{path}.action", f"valid values: [{shown}]"))
    elif rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
        detail = "requires the backoffLimitPerIndex to be set"
        errors.append(invalid(f"{path}.action", rule.action, detail))
    elif rule.action not in ACTIONS:
        errors.append(not_supported(f"{path}.action", rule.action, ACTIONS))
    if rule.on_exit_codes is not None:
        errors += _exit_codes(f"{path}.onExitCodes", rule, spec)
    if rule.on_pod_conditions:
        errors += _conditions(f"{path}.onPodConditions", rule)
    if rule.on_exit_codes is not None and rule.on_pod_conditions:
        detail = "specifying both OnExitCodes and OnPodConditions is not supported"
        errors.append(invalid(path, OMITTED, detail))
    if rule.on_exit_codes is None and not rule.on_pod_conditions:
        errors.append(invalid(path, OMITTED, "specifying one of OnExitCodes and OnPodConditions is required"))
    return errors


def _exit_codes(path: str, rule: PodFailurePolicyRule, spec: JobSpec) -> FieldErrors:
    codes = rule.on_exit_codes
    if codes is None:
        return []
    errors: FieldErrors = []
    if not codes.operator:
        errors.append(required(f"{path}.operator", 'valid values: ["In" "NotIn"]'))
    elif codes.operator not in ("In", "NotIn"):
        errors.append(not_supported(f"{path}.operator", codes.operator, ("In", "NotIn")))
    pod = spec.template.spec
    names = {container.name for container in (*(pod.containers or ()), *pod.init_containers)}
    if codes.container_name is not None and codes.container_name not in names:
        detail = "must be one of the container or initContainer names in the pod template"
        errors.append(invalid(f"{path}.containerName", codes.container_name, detail))
    values: Sequence[int] = codes.values or ()
    at = f"{path}.values"
    if not values:
        errors.append(invalid(at, list(values), "at least one value is required"))
    elif len(values) > _VALUES_LIMIT:
        errors.append(too_many(at, len(values), _VALUES_LIMIT))
    ordered = all(first <= second for first, second in itertools.pairwise(values))
    for index, (value, again) in enumerate(zip(values, repeated(values), strict=True)):
        if codes.operator == "In" and value == 0:
            errors.append(invalid(f"{at}[{index}]", value, "must not be 0 for the In operator"))
        if again:
            errors.append(duplicate(f"{at}[{index}]", value))
    if not ordered:
        errors.append(invalid(at, list(values), "must be ordered"))
    return errors


def _conditions(path: str, rule: PodFailurePolicyRule) -> FieldErrors:
    errors: FieldErrors = []
    if len(rule.on_pod_conditions) > _RULES_LIMIT:
        errors.append(too_many(path, len(rule.on_pod_conditions), _RULES_LIMIT))
    for index, pattern in enumerate(rule.on_pod_conditions):
        at = f"{path}[{index}]"
        errors += checks.qualified(f"{at}.type", pattern.type)
        if not pattern.status:
            errors.append(required(f"{at}.status", 'valid values: ["False" "True" "Unknown"]'))
        elif pattern.status not in _STATUSES:
            errors.append(not_supported(f"{at}.status", pattern.status, _STATUSES))
    return errors


def _failure_policy(path: str, policy: PodFailurePolicy, spec: JobSpec) -> FieldErrors:
    rules = policy.rules or ()
    errors = [too_many(f"{path}.rules", len(rules), _RULES_LIMIT)] if len(rules) > _RULES_LIMIT else []
    return errors + checks.flat(_rule(f"{path}.rules[{index}]", rule, spec) for index, rule in enumerate(rules))


def _interval(text: str, completions: int) -> tuple[int, int]:
    """The first and the last index of `text`, as in "3" or "2-4"."""
    pieces = text.split("-")
    if len(pieces) > 2:
        raise ValueError(f"the fragment {go_text.quote(text)} violates the requirement that an index interval can have "
                         "at most two parts separated by '-'")  # fmt: skip
    ends: list[int] = []
    for piece in pieces:
        if not re.fullmatch(r"[+-]?[0-9]+", piece):
            raise ValueError(f"cannot convert string to integer for index: {go_text.quote(piece)}")
        if int(piece) >= completions:
            raise ValueError(f"too large index: {go_text.quote(piece)}")
        ends.append(int(piece))
    if len(ends) == 2 and ends[0] >= ends[1]:
        raise ValueError(f"non-increasing order, previous: {ends[0]}, current: {ends[1]}")
    return ends[0], ends[-1]


def count_indexes(text: str, completions: int) -> tuple[int, str]:
    """How many indexes `text` ("0,2-3") names, and what is wrong with it ("" if nothing)."""
    count, previous = 0, -1
    for part in text.split(",") if text else ():
        try:
            first, last = _interval(part, completions)
        except ValueError as error:
            return 0, str(error)
        if count and first <= previous:
            return 0, f"non-increasing order, previous: {previous}, current: {first}"
        count, previous = count + last - first + 1, last
    return count, ""


def overlap(failed: str, completed: str, completions: int) -> int | None:
    """The first index that both texts name; what of them is no interval is passed over."""
    found: list[list[tuple[int, int]]] = []
    for text in (failed, completed):
        intervals: list[tuple[int, int]] = []
        for part in text.split(",") if text else ():
            with contextlib.suppress(ValueError):
                intervals.append(_interval(part, completions))
        found.append(intervals)
    both = [max(a, c) for a, b in found[0] for c, d in found[1] if a <= d and c <= b]
    return both[0] if both else None


def _success_policy(path: str, policy: SuccessPolicy, spec: JobSpec) -> FieldErrors:
    if spec.completion_mode != "Indexed":
        return [invalid(path, policy, "requires indexed completion mode")]
    rules = policy.rules or ()
    if not rules:
        detail = "at least one rules must be specified when the successPolicy is specified"
        return [required(f"{path}.rules", detail)]
    errors = [too_many(f"{path}.rules", len(rules), _RULES_LIMIT)] if len(rules) > _RULES_LIMIT else []
    completions = spec.completions or 0
    for index, rule in enumerate(rules):
        at = f"{path}.rules[{index}]"
        if rule.succeeded_count is None and rule.succeeded_indexes is None:
            detail = "at least one of succeededCount or succeededIndexes must be specified"
            errors.append(required(at, detail))
        named = completions
        if rule.succeeded_indexes is not None:
            if longer(rule.succeeded_indexes, _INDEXES_LIMIT):
                errors.append(too_long(f"{at}.succeededIndexes", _INDEXES_LIMIT))
            named, fault = count_indexes(rule.succeeded_indexes, completions)
            if fault:
                detail = f"error parsing succeededIndexes: {fault}"
                errors.append(invalid(f"{at}.succeededIndexes", rule.succeeded_indexes, detail))
        wanted = rule.succeeded_count
        if wanted is None:
            continue
        errors += checks.non_negative(f"{at}.succeededCount", wanted)
        if wanted > completions:
            detail = f"must be less than or equal to {completions} (the number of specified completions)"
            errors.append(invalid(f"{at}.succeededCount", wanted, detail))
        if rule.succeeded_indexes is not None and wanted > named:
            told = "(the number of indexes in the specified succeededIndexes field)"
            errors.append(invalid(f"{at}.succeededCount", wanted, f"must be less than or equal to {named} {told}"))
    return errors


def job_spec(path: str, spec: JobSpec) -> FieldErrors:
    """Everything of a JobSpec but its selector."""
    errors = _numbers(path, spec)
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        errors.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    errors += _managed_by(f"{path}.managedBy", spec.managed_by)
    errors += _indexed(path, spec)
    if spec.pod_failure_policy is not None:
        errors += _failure_policy(f"{path}.podFailurePolicy", spec.pod_failure_policy, spec)
    if spec.success_policy is not None:
        errors += _success_policy(f"{path}.successPolicy", spec.success_policy, spec)
    if spec.pod_replacement_policy is not None:
        allowed = ("Failed",) if spec.pod_failure_policy is not None else ("Failed", "TerminatingOrFailed")
        errors += checks.one_of(f"{path}.podReplacementPolicy", spec.pod_replacement_policy, allowed)
    errors += template_errors(f"{path}.template", spec.template)
    return errors + _restart(f"{path}.template.spec.restartPolicy", spec)


def warnings(path: str, spec: JobSpec) -> Sequence[str]:
    """What of a JobSpec works, but will not always; `path` is its own."""
    found = list(pod_warnings.template(f"{path}.template", spec.template))
    many = (spec.completions or 0) > _MAX_FAILED_LIMIT and (spec.parallelism or 0) > _BEYOND
    return [f"{path}: {_TOO_MANY_INDEXES}", *found] if many and spec.completion_mode == "Indexed" else found


def _managed_by(path: str, name: str | None) -> FieldErrors:
    if name is None:
        return []
    errors = checks.domain_prefixed(path, name)
    return [*errors, too_long(path, 63)] if longer(name, 63) else errors


def _restart(path: str, spec: JobSpec) -> FieldErrors:
    policy = spec.template.spec.restart_policy
    if policy in ("Always", ""):
        return [required(path, _RESTART)]
    if policy not in ("OnFailure", "Never"):
        return [not_supported(path, policy, ("OnFailure", "Never"))]
    if spec.pod_failure_policy is not None and policy != "Never":
        return [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def generated_labels(job: Job) -> dict[str, str]:
    """The labels that only the pods of this job have."""
    uid, name = job.metadata.uid, job.metadata.name
    return {
        "controller-uid": uid,
        "job-name": name,
        f"{PREFIX}controller-uid": uid,
        f"{PREFIX}job-name": name,
    }


def generated_selector(job: Job) -> FieldErrors:
    """The labels and the selector that the server made must still be there."""
    spec = job.spec
    if spec.manual_selector or spec.selector is None:
        return []
    errors: FieldErrors = []
    labels = spec.template.metadata.labels
    path = "spec.template.metadata.labels"
    expected = generated_labels(job)
    for name, wanted in expected.items():
        found = labels.get(name)
        if found is None:
            errors.append(required(f"{path}[{name}]", f"must be '{wanted}'"))
        elif found != wanted:
            errors.append(invalid(f"{path}[{name}]", dict(labels), f"must be '{wanted}'"))
    try:
        if not of_object(spec.selector).matches(expected):
            errors.append(invalid("spec.selector", spec.selector, "`selector` not auto-generated"))
    except SelectorError:
        pass  # told where the selector itself is checked
    return errors


def job(found: Job) -> FieldErrors:
    """A new or changed Job, its metadata left out."""
    return generated_selector(found) + selecting_spec("spec", found.spec) + _last_pod_name(found)


def selecting_spec(path: str, spec: JobSpec) -> FieldErrors:
    """A JobSpec with its selector."""
    errors = job_spec(path, spec)
    if spec.selector is None:
        errors.append(required(f"{path}.selector"))
    else:
        errors += selectors.label_selector(f"{path}.selector", spec.selector)
    return errors + (workload.labels_selected(f"{path}.template", spec.template, spec.selector) or [])


def _last_pod_name(found: Job) -> FieldErrors:
    """The host names of an indexed job's pods end in their index."""
    completions = found.spec.completions
    if found.spec.completion_mode != "Indexed" or not completions or completions < 0:
        return []
    name = f"{found.metadata.name}-{completions - 1}"
    detail = f"will not able to create pod with invalid DNS label: {name}"
    return [invalid("metadata.name", found.metadata.name, detail)] if dns_label(name) else []
