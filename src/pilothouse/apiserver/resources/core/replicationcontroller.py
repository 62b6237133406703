"""ReplicationController."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import ReplicationController
from pilothouse.apiserver.generic.strategy import Deletion, Scale, Status, Strategy
from pilothouse.apiserver.resources.declare import replicas_scale

STRATEGY = Strategy(
    type=ReplicationController,
    prefix="controllers",
    generation=("spec",),
    status=Status(),
    scale=Scale(**replicas_scale(lambda o: ",".join(f"{k}={o.spec.selector[k]}" for k in sorted(o.spec.selector)))),
    own_field_labels=True,
    fields={"status.replicas": lambda o: str(o.status.replicas)},
    deletion=Deletion(orphans_by_default=True),
)
