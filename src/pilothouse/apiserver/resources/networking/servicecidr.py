"""ServiceCIDR."""

from __future__ import annotations

from pilothouse.api.types.networking.v1 import ServiceCIDR
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=ServiceCIDR,
    prefix="servicecidrs",
    status=Status(),
)
