"""Job: the server gives it a selector and its pods' labels, unless the client selects by hand."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.time import parse_time
from pilothouse.api.types.batch.v1 import Job, PodFailurePolicy
from pilothouse.api.types.meta.v1 import LabelSelector
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Status, Strategy, Write
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.resources.declare import with_meta, with_spec
from pilothouse.apiserver.table.cells import age, duration, joined, selector

PREFIX = "batch.kubernetes.io/"
NO_LIMIT = 2**31 - 1


def _failure_policy(policy: PodFailurePolicy | None) -> PodFailurePolicy | None:
    """A condition without a status means True."""
    if policy is None:
        return None
    rules = tuple(
        replace(rule, on_pod_conditions=tuple(replace(p, status=p.status or "True") for p in rule.on_pod_conditions))
        for rule in policy.rules or ()
    )
    return replace(policy, rules=rules)


def defaults(obj: Job) -> Job:
    spec = obj.spec
    completions, parallelism = spec.completions, spec.parallelism
    if completions is None and parallelism is None:
        completions = 1
    limit = NO_LIMIT if spec.backoff_limit_per_index is not None else 6
    replacement = "TerminatingOrFailed" if spec.pod_failure_policy is None else "Failed"
    made = template(spec.template)
    labels = made.metadata.labels
    found = replace(
        spec,
        completions=completions,
        parallelism=1 if parallelism is None else parallelism,
        backoff_limit=limit if spec.backoff_limit is None else spec.backoff_limit,
        completion_mode=spec.completion_mode or "NonIndexed",
        suspend=False if spec.suspend is None else spec.suspend,
        pod_failure_policy=_failure_policy(spec.pod_failure_policy),
        pod_replacement_policy=spec.pod_replacement_policy or replacement,
        manual_selector=False if spec.manual_selector is None else spec.manual_selector,
        template=made,
    )
    obj = replace(obj, spec=found)
    return with_meta(obj, labels=labels) if labels and not obj.metadata.labels else obj


def prepare_create(obj: Job, write: Write) -> Job:
    """Labels that only this job's pods have, and the selector for them."""
    if obj.spec.manual_selector:
        return obj
    uid, name = obj.metadata.uid, obj.metadata.name
    marks = {
        "controller-uid": uid,
        "job-name": name,
        f"{PREFIX}controller-uid": uid,
        f"{PREFIX}job-name": name,
    }
    made = obj.spec.template
    labels = {**made.metadata.labels, **marks}
    own = obj.spec.selector or LabelSelector()
    selector = replace(own, match_labels={**own.match_labels, f"{PREFIX}controller-uid": uid})
    obj = with_spec(obj, selector=selector, template=replace(made, metadata=replace(made.metadata, labels=labels)))
    return obj if obj.metadata.labels else with_meta(obj, labels=labels)


def row(obj: Job, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    containers = obj.spec.template.spec.containers or ()
    return (
        obj.metadata.name,
        _state(obj),
        _completions(obj),
        _lasted(status.start_time, status.completion_time, now),
        age(obj.metadata.creation_timestamp, now),
        joined((c.name for c in containers), empty=""),
        joined((c.image for c in containers), empty=""),
        selector(spec.selector),
    )


def _state(obj: Job) -> str:
    true = {c.type for c in obj.status.conditions if c.status == "True"}
    for kind, state in (
        ("Complete", "Complete"),
        ("Failed", "Failed"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
        ("Suspended", "Suspended"),
        ("FailureTarget", "FailureTarget"),
    ):
        if kind in true:
            return state
    return "Terminating" if obj.metadata.deletion_timestamp is not None else "Running"


def _completions(obj: Job) -> str:
    if obj.spec.completions is not None:
        return f"{obj.status.succeeded}/{obj.spec.completions}"
    parallelism = obj.spec.parallelism or 0
    return f"{obj.status.succeeded}/1 of {parallelism}" if parallelism > 1 else f"{obj.status.succeeded}/1"


def _lasted(start: str | None, end: str | None, now: float) -> str:
    if not start:
        return ""
    return duration((parse_time(end) if end else now) - parse_time(start))


STRATEGY = Strategy(
    type=Job,
    prefix="jobs",
    generation=("spec",),
    defaults=defaults,
    prepare_create=prepare_create,
    status=Status(),
    own_field_labels=True,
    fields={"status.successful": lambda o: str(o.status.succeeded)},
    deletion=Deletion(orphans_by_default=True),
    row=row,
)
