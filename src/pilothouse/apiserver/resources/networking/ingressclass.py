"""IngressClass."""

from __future__ import annotations

from pilothouse.api.types.networking.v1 import IngressClass
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=IngressClass,
    prefix="ingressclasses",
    generation=("spec",),
)
