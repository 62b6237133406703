"""ReplicationController: selector and labels come from its template where it has none."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, required
from pilothouse.api.types.core.v1 import PodTemplateSpec, ReplicationController
from pilothouse.kinds.apps import workload
from pilothouse.kinds.apps.replicaset import status_errors
from pilothouse.kinds.cells import age
from pilothouse.kinds.cells import labels as labels_cell
from pilothouse.kinds.core.podspec import gated, warnings
from pilothouse.kinds.core.podspec.defaults import template
from pilothouse.kinds.core.podspec.spec import template as template_errors
from pilothouse.kinds.declare import replicas_scale
from pilothouse.kinds.strategy import Cell, Deletion, Scale, Status, Strategy


def defaults(obj: ReplicationController) -> ReplicationController:
    spec, meta = obj.spec, obj.metadata
    made = None if spec.template is None else template(spec.template)
    labels = {} if made is None else made.metadata.labels
    if labels and not meta.labels:
        meta = replace(meta, labels=labels)
    replicas = 1 if spec.replicas is None else spec.replicas
    spec = replace(spec, replicas=replicas, template=made, selector=spec.selector or labels)
    return replace(obj, metadata=meta, spec=spec)


def validate(obj: ReplicationController) -> FieldErrors:
    spec = obj.spec
    errors = workload.numbers("spec", [("minReadySeconds", spec.min_ready_seconds)])
    if not spec.selector:
        errors.append(required("spec.selector"))
    errors += workload.numbers("spec", [("replicas", spec.replicas)])
    if spec.template is None:
        return [*errors, required("spec.template")]
    path, labels = "spec.template", spec.template.metadata.labels
    if any(labels.get(key) != value for key, value in spec.selector.items()):
        errors.append(workload.unselected(path, labels))
    errors += template_errors(path, spec.template)
    return errors + workload.always_running(path, spec.template, "ReplicationController")


def validate_status(new: ReplicationController, old: ReplicationController) -> FieldErrors:
    return status_errors(new.status)


def warn(obj: ReplicationController) -> Sequence[str]:
    return warnings.workload(obj.metadata.name, obj.spec.template or PodTemplateSpec())


def warn_update(new: ReplicationController, old: ReplicationController) -> Sequence[str]:
    """Upstream looks at the template that was, and so do we."""
    return warnings.changed_template("spec.template", new, old, old.spec.template or PodTemplateSpec())


def row(obj: ReplicationController, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    return (
        obj.metadata.name,
        spec.replicas or 0,
        status.replicas,
        status.ready_replicas,
        age(obj.metadata.creation_timestamp, now),
        *workload.container_cells(spec.template.spec.containers if spec.template is not None else ()),
        labels_cell(spec.selector),
    )


STRATEGY = Strategy(
    type=ReplicationController,
    prefix="controllers",
    defaults=defaults,
    generation=("spec",),
    prepare_create=lambda obj, write: gated.of_template(obj),
    prepare_update=lambda new, old, write: gated.of_template(new),
    validate=validate,
    warnings=warn,
    warnings_update=warn_update,
    row=row,
    status=Status(validate=validate_status),
    scale=Scale(**replicas_scale(lambda o: ",".join(f"{k}={o.spec.selector[k]}" for k in sorted(o.spec.selector)))),
    own_field_labels=True,
    fields={"status.replicas": lambda o: str(o.status.replicas)},
    deletion=Deletion(orphans_by_default=True),
)
