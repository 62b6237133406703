"""Ingress."""

from __future__ import annotations

from pilothouse.api.types.networking.v1 import Ingress
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=Ingress,
    prefix="ingress",
    generation=("spec",),
    status=Status(),
)
