"""Lease."""

from __future__ import annotations

from pilothouse.api.types.coordination.v1 import Lease
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=Lease,
    prefix="leases",
    allow_create_on_update=True,
    allow_unconditional_update=False,
)
