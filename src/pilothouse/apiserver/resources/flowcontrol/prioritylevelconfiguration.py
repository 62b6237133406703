"""PriorityLevelConfiguration."""

from __future__ import annotations

from pilothouse.api.types.flowcontrol.v1 import PriorityLevelConfiguration
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=PriorityLevelConfiguration,
    prefix="prioritylevelconfigurations",
    generation=("spec",),
    status=Status(),
)
