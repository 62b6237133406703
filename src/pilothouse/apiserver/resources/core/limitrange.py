"""LimitRange."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import LimitRange
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=LimitRange,
    prefix="limitranges",
    allow_create_on_update=True,
)
