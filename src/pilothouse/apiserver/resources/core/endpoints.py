"""Endpoints."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Endpoints
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=Endpoints,
    prefix="services/endpoints",
    allow_create_on_update=True,
    always_warns="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
)
