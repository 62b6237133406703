"""ReplicationController: selector and labels come from its template where it has none."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import ReplicationController
from pilothouse.apiserver.generic.strategy import Deletion, Scale, Status, Strategy
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.resources.declare import replicas_scale


def defaults(obj: ReplicationController) -> ReplicationController:
    spec, meta = obj.spec, obj.metadata
    made = None if spec.template is None else template(spec.template)
    labels = {} if made is None else made.metadata.labels
    if labels and not meta.labels:
        meta = replace(meta, labels=labels)
    replicas = 1 if spec.replicas is None else spec.replicas
    spec = replace(spec, replicas=replicas, template=made, selector=spec.selector or labels)
    return replace(obj, metadata=meta, spec=spec)


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
)
