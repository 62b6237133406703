"""ReplicaSet."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors
from pilothouse.api.selectors import of_object
from pilothouse.api.types.apps.v1 import ReplicaSet, ReplicaSetSpec, ReplicaSetStatus
from pilothouse.api.types.core.v1 import ReplicationControllerStatus
from pilothouse.kinds.apps import workload
from pilothouse.kinds.cells import age, selector
from pilothouse.kinds.core.podspec import gated, warnings
from pilothouse.kinds.core.podspec.defaults import template
from pilothouse.kinds.declare import replicas_scale
from pilothouse.kinds.strategy import Cell, Scale, Status, Strategy


def defaults(obj: ReplicaSet) -> ReplicaSet:
    spec = obj.spec
    replicas = 1 if spec.replicas is None else spec.replicas
    return replace(obj, spec=replace(spec, replicas=replicas, template=template(spec.template)))


def validate(obj: ReplicaSet) -> FieldErrors:
    spec = obj.spec
    errors = workload.numbers("spec", [("replicas", spec.replicas), ("minReadySeconds", spec.min_ready_seconds)])
    errors += workload.selector("spec.selector", spec.selector, "deployment")
    return errors + workload.replica_template("spec.template", spec.template, spec.selector)


def validate_update(new: ReplicaSet, old: ReplicaSet) -> FieldErrors:
    return validate(new) + workload.unchanged_selector(new.spec.selector, old.spec.selector)


def status_errors(status: ReplicaSetStatus | ReplicationControllerStatus) -> FieldErrors:
    """The counts of a ReplicaSet, or of a ReplicationController."""
    ready, available = status.ready_replicas, status.available_replicas
    terminating = status.terminating_replicas if isinstance(status, ReplicaSetStatus) else None
    return workload.status_counts(
        [
            ("replicas", status.replicas),
            ("fullyLabeledReplicas", status.fully_labeled_replicas),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("terminatingReplicas", terminating),
            ("observedGeneration", status.observed_generation),
        ],
        [
            ("fullyLabeledReplicas", status.fully_labeled_replicas, "status.replicas", status.replicas),
            ("readyReplicas", ready, "status.replicas", status.replicas),
            ("availableReplicas", available, "status.replicas", status.replicas),
            ("availableReplicas", available, "readyReplicas", ready),
        ],
    )


def row(obj: ReplicaSet, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    return (
        obj.metadata.name,
        spec.replicas or 0,
        status.replicas,
        status.ready_replicas,
        age(obj.metadata.creation_timestamp, now),
        *workload.container_cells(spec.template.spec.containers),
        selector(spec.selector),
    )


STRATEGY = Strategy(
    type=ReplicaSet,
    zero=ReplicaSet(spec=ReplicaSetSpec(replicas=0)),
    prefix="replicasets",
    defaults=defaults,
    generation=("spec",),
    prepare_create=lambda obj, write: gated.of_template(obj),
    prepare_update=lambda new, old, write: gated.of_template(new),
    validate=validate,
    warnings=lambda o: warnings.workload(o.metadata.name, o.spec.template),
    warnings_update=lambda new, old: warnings.changed_template("spec.template", new, old, new.spec.template),
    validate_update=validate_update,
    row=row,
    status=Status(validate=lambda new, old: status_errors(new.status)),
    scale=Scale(**replicas_scale(lambda o: str(of_object(o.spec.selector)))),
)
