"""PriorityClass."""

from __future__ import annotations

from pilothouse.api.types.scheduling.v1 import PriorityClass
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=PriorityClass,
    prefix="priorityclasses",
    generation=("kind",),
)
