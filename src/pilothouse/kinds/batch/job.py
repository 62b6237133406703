"""Job: the server gives it a selector and its pods' labels, unless the client selects by hand."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.time import parse_time
from pilothouse.api.types.batch.v1 import Job, PodFailurePolicy
from pilothouse.api.types.core.v1 import Affinity, Container, PodTemplateSpec
from pilothouse.api.types.meta.v1 import LabelSelector
from pilothouse.kinds.apps.workload import IMMUTABLE, numbers, unchanged_selector
from pilothouse.kinds.batch import job_rules, job_status
from pilothouse.kinds.cells import age, duration, joined, selector
from pilothouse.kinds.core.podspec import gated, warnings
from pilothouse.kinds.core.podspec.defaults import template
from pilothouse.kinds.declare import with_meta, with_spec
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Status, Strategy, Write

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
    found = replace(
        spec,
        completions=completions,
        parallelism=1 if parallelism is None else parallelism,
        backoff_limit=limit if spec.backoff_limit is None else spec.backoff_limit,
        completion_mode="NonIndexed" if spec.completion_mode is None else spec.completion_mode,
        suspend=False if spec.suspend is None else spec.suspend,
        pod_failure_policy=_failure_policy(spec.pod_failure_policy),
        pod_replacement_policy=replacement if spec.pod_replacement_policy is None else spec.pod_replacement_policy,
        manual_selector=False if spec.manual_selector is None else spec.manual_selector,
        template=made,
    )
    return labelled(replace(obj, spec=found))


def prepare_create(obj: Job, write: Write) -> Job:
    """Labels that only this job's pods have, and the selector for them."""
    obj = gated.of_template(obj)
    if obj.spec.manual_selector:
        return obj
    uid = obj.metadata.uid
    made = obj.spec.template
    labels = {**job_rules.generated_labels(obj), **made.metadata.labels}
    own = obj.spec.selector or LabelSelector()
    selector = replace(own, match_labels={**own.match_labels, f"{PREFIX}controller-uid": uid})
    return with_spec(obj, selector=selector, template=replace(made, metadata=replace(made.metadata, labels=labels)))


def labelled(obj: Job) -> Job:
    """A job without labels has those of its template."""
    labels = obj.spec.template.metadata.labels
    return with_meta(obj, labels=labels) if labels and not obj.metadata.labels else obj


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


# The first of these that is true.
_STATES = ("Complete", "Failed", "Terminating", "Suspended", "FailureTarget", "SuccessCriteriaMet")


def _state(obj: Job) -> str:
    true = {c.type for c in obj.status.conditions if c.status == "True"}
    if obj.metadata.deletion_timestamp is not None:
        true.add("Terminating")
    return next((state for state in _STATES if state in true), "Running")


def _completions(obj: Job) -> str:
    if obj.spec.completions is not None:
        return f"{obj.status.succeeded}/{obj.spec.completions}"
    parallelism = obj.spec.parallelism or 0
    return f"{obj.status.succeeded}/1 of {parallelism}" if parallelism > 1 else f"{obj.status.succeeded}/1"


def _lasted(start: str | None, end: str | None, now: float) -> str:
    if not start:
        return ""
    return duration((parse_time(end) if end else now) - parse_time(start))


_IMMUTABLE = ("completion_mode", "pod_failure_policy", "backoff_limit_per_index", "managed_by", "success_policy")


def validate_update(new: Job, old: Job) -> FieldErrors:
    """The template and what decides over success are fixed; a suspended job that never started may still be placed
    anew, and completions may change together with parallelism where jobs are indexed."""
    spec, before = new.spec, old.spec
    errors = job_rules.job(new) + job_rules.selecting_spec("spec", spec)  # upstream checks the spec twice, and tells so
    if spec.completions != before.completions:
        if spec.completion_mode != "Indexed":
            errors.append(invalid("spec.completions", spec.completions, IMMUTABLE))
        elif spec.completions is not None and spec.completions != spec.parallelism:
            detail = "can only be modified in tandem with spec.parallelism"
            errors.append(invalid("spec.completions", spec.completions, detail))
    errors += unchanged_selector(spec.selector, before.selector)
    errors += _template_update(new, old)
    for name in _IMMUTABLE:
        value = getattr(spec, name)
        if value != getattr(before, name):
            errors.append(invalid(f"spec.{_JSON_NAMES[name]}", value, IMMUTABLE))
    return errors


_JSON_NAMES = {
    "completion_mode": "completionMode",
    "pod_failure_policy": "podFailurePolicy",
    "success_policy": "successPolicy",
    "backoff_limit_per_index": "backoffLimitPerIndex",
    "managed_by": "managedBy",
}


def _placeable(made: PodTemplateSpec, former: PodTemplateSpec) -> PodTemplateSpec:
    """`former` with what of `made` says where its pods run and what they ask for."""
    pod, before = made.spec, former.spec
    own, affinity = pod.affinity, before.affinity
    nodes = own.node_affinity if own is not None else None
    affinity = replace(affinity or Affinity(), node_affinity=nodes)
    return replace(
        former,
        metadata=replace(former.metadata, labels=made.metadata.labels, annotations=made.metadata.annotations),
        spec=replace(
            before,
            affinity=None if own is None and affinity == Affinity() else affinity,
            node_selector=pod.node_selector,
            tolerations=pod.tolerations,
            scheduling_gates=pod.scheduling_gates,
            containers=_resourced(pod.containers or (), before.containers or ()),
            init_containers=_resourced(pod.init_containers, before.init_containers),
        ),
    )


def _resourced(made: Sequence[Container], former: Sequence[Container]) -> tuple[Container, ...]:
    if len(made) != len(former):
        return tuple(former)
    return tuple(replace(old, resources=new.resources) for new, old in zip(made, former, strict=True))


def _template_update(new: Job, old: Job) -> FieldErrors:
    made, before = new.spec.template, old.spec.template
    if old.spec.suspend and _idle(old):
        kept = _placeable(made, before)
        return [] if made == kept else [invalid("spec.template.spec", made.spec, IMMUTABLE)]
    return [] if made == before else [invalid("spec.template", made, IMMUTABLE)]


def _idle(obj: Job) -> bool:
    """Whether a suspended job never ran, or runs no more."""
    status = obj.status
    stopped = any(c.type == "Suspended" and c.status == "True" for c in status.conditions)
    return status.start_time is None or (stopped and not status.active)


def validate_status(new: Job, old: Job) -> FieldErrors:
    status = new.status
    errors = numbers(
        "status",
        [
            ("active", status.active),
            ("succeeded", status.succeeded),
            ("failed", status.failed),
            ("ready", status.ready),
            ("terminating", status.terminating),
        ],
    )
    return errors + job_status.update(new, old)


def warn(obj: Job) -> Sequence[str]:
    found = warnings.name_warnings(obj.metadata.name, "Pod names and hostnames")
    return [*found, *job_rules.warnings("spec", obj.spec)]


def warn_update(new: Job, old: Job) -> Sequence[str]:
    return [] if new.metadata.generation == old.metadata.generation else job_rules.warnings("spec", new.spec)


ORPHANING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
STRATEGY = Strategy(
    type=Job,
    prefix="jobs",
    generation=("spec",),
    meta_update=MetaUpdate(whole=1),
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=lambda new, old, write: gated.of_template(new),
    canonicalize=labelled,  # once more: a stored job is read with its defaults
    validate=job_rules.job,
    validate_update=validate_update,
    warnings=warn,
    warnings_update=warn_update,
    status=Status(validate=validate_status),
    own_field_labels=True,
    fields={"status.successful": lambda o: str(o.status.succeeded)},
    deletion=Deletion(orphans_by_default=True, orphaning_warns=ORPHANING),
    row=row,
)
