"""ReplicaSet."""

from __future__ import annotations

from pilothouse.api.selectors import of_object
from pilothouse.api.types.apps.v1 import ReplicaSet
from pilothouse.apiserver.generic.strategy import Scale, Status, Strategy
from pilothouse.apiserver.resources.declare import replicas_scale

STRATEGY = Strategy(
    type=ReplicaSet,
    prefix="replicasets",
    generation=("spec",),
    status=Status(),
    scale=Scale(**replicas_scale(lambda o: str(of_object(o.spec.selector)))),
)
