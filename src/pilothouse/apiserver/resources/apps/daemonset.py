"""DaemonSet."""

from __future__ import annotations

from pilothouse.api.types.apps.v1 import DaemonSet
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=DaemonSet,
    prefix="daemonsets",
    generation=("spec",),
    status=Status(),
)
