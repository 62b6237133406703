"""ReplicationController: selector and labels come from its template where it has none."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import ReplicationController
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Scale, Status, Strategy
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.resources.declare import replicas_scale
from pilothouse.apiserver.table.cells import age, joined, labels


def defaults(obj: ReplicationController) -> ReplicationController:
    spec, meta = obj.spec, obj.metadata
    made = None if spec.template is None else template(spec.template)
    labels = {} if made is None else made.metadata.labels
    if labels and not meta.labels:
        meta = replace(meta, labels=labels)
    replicas = 1 if spec.replicas is None else spec.replicas
    spec = replace(spec, replicas=replicas, template=made, selector=spec.selector or labels)
    return replace(obj, metadata=meta, spec=spec)


def row(obj: ReplicationController, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    containers = spec.template.spec.containers or () if spec.template is not None else ()
    return (
        obj.metadata.name,
        spec.replicas or 0,
        status.replicas,
        status.ready_replicas,
        age(obj.metadata.creation_timestamp, now),
        joined((c.name for c in containers), empty=""),
        joined((c.image for c in containers), empty=""),
        labels(spec.selector),
    )


STRATEGY = Strategy(
    type=ReplicationController,
    prefix="controllers",
    defaults=defaults,
    generation=("spec",),
    status=Status(),
    scale=Scale(**replicas_scale(lambda o: ",".join(f"{k}={o.spec.selector[k]}" for k in sorted(o.spec.selector)))),
    own_field_labels=True,
    fields={"status.replicas": lambda o: str(o.status.replicas)},
    deletion=Deletion(orphans_by_default=True),
    row=row,
)
