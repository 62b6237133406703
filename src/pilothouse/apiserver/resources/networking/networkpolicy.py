"""NetworkPolicy."""

from __future__ import annotations

from pilothouse.api.types.networking.v1 import NetworkPolicy
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=NetworkPolicy,
    prefix="networkpolicies",
    generation=("spec",),
)
