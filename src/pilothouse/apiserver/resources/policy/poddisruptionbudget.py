"""PodDisruptionBudget."""

from __future__ import annotations

from pilothouse.api.types.policy.v1 import PodDisruptionBudget
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=PodDisruptionBudget,
    prefix="poddisruptionbudgets",
    generation=("spec",),
    allow_unconditional_update=False,
    status=Status(),
)
