"""CSINode."""

from __future__ import annotations

from pilothouse.api.types.storage.v1 import CSINode
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=CSINode,
    prefix="csinodes",
    allow_unconditional_update=False,
)
