"""Node."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Node
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=Node,
    prefix="minions",
    status=Status(),
    own_field_labels=True,
    fields={"spec.unschedulable": lambda o: "true" if o.spec.unschedulable else "false"},
)
