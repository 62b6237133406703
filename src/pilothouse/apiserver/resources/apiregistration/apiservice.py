"""APIService."""

from __future__ import annotations

from pilothouse.api.types.apiregistration.v1 import APIService
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=APIService,
    prefix="apiregistration.k8s.io/apiservices",
    allow_unconditional_update=False,
    status=Status(),
)
