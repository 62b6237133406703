"""ReplicaSet."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.selectors import of_object
from pilothouse.api.types.apps.v1 import ReplicaSet, ReplicaSetSpec
from pilothouse.apiserver.generic.strategy import Scale, Status, Strategy
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.resources.declare import replicas_scale


def defaults(obj: ReplicaSet) -> ReplicaSet:
    spec = obj.spec
    replicas = 1 if spec.replicas is None else spec.replicas
    return replace(obj, spec=replace(spec, replicas=replicas, template=template(spec.template)))


STRATEGY = Strategy(
    type=ReplicaSet,
    zero=ReplicaSet(spec=ReplicaSetSpec(replicas=0)),
    prefix="replicasets",
    defaults=defaults,
    generation=("spec",),
    status=Status(),
    scale=Scale(**replicas_scale(lambda o: str(of_object(o.spec.selector)))),
)
