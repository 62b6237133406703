"""RuntimeClass."""

from __future__ import annotations

from pilothouse.api.types.node.v1 import RuntimeClass
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=RuntimeClass,
    prefix="runtimeclasses",
    allow_unconditional_update=False,
)
