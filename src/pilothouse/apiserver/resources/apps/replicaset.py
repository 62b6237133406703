"""ReplicaSet."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.selectors import of_object
from pilothouse.api.types.apps.v1 import ReplicaSet, ReplicaSetSpec
from pilothouse.apiserver.generic.strategy import Cell, Scale, Status, Strategy
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.resources.declare import replicas_scale
from pilothouse.apiserver.table.cells import age, joined, selector


def defaults(obj: ReplicaSet) -> ReplicaSet:
    spec = obj.spec
    replicas = 1 if spec.replicas is None else spec.replicas
    return replace(obj, spec=replace(spec, replicas=replicas, template=template(spec.template)))


def row(obj: ReplicaSet, now: float) -> Sequence[Cell]:
    status = obj.status
    containers = obj.spec.template.spec.containers or ()
    return (
        obj.metadata.name,
        obj.spec.replicas or 0,
        status.replicas,
        status.ready_replicas,
        age(obj.metadata.creation_timestamp, now),
        joined((c.name for c in containers), empty=""),
        joined((c.image for c in containers), empty=""),
        selector(obj.spec.selector),
    )


STRATEGY = Strategy(
    type=ReplicaSet,
    zero=ReplicaSet(spec=ReplicaSetSpec(replicas=0)),
    prefix="replicasets",
    defaults=defaults,
    generation=("spec",),
    status=Status(),
    scale=Scale(**replicas_scale(lambda o: str(of_object(o.spec.selector)))),
    row=row,
)
