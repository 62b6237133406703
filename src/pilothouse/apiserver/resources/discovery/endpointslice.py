"""EndpointSlice."""

from __future__ import annotations

from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=EndpointSlice,
    prefix="endpointslices",
    generation=("endpoints", "ports", "address_type"),
)
