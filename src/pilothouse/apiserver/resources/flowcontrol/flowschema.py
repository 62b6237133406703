"""FlowSchema."""

from __future__ import annotations

from pilothouse.api.types.flowcontrol.v1 import FlowSchema
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=FlowSchema,
    prefix="flowschemas",
    generation=("spec",),
    status=Status(),
)
