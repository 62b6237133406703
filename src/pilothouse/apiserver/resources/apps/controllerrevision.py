"""ControllerRevision."""

from __future__ import annotations

from pilothouse.api.types.apps.v1 import ControllerRevision
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=ControllerRevision,
    prefix="controllerrevisions",
)
