"""DeviceClass."""

from __future__ import annotations

from pilothouse.api.types.resource.v1 import DeviceClass
from pilothouse.apiserver.generic.strategy import Deletion, Strategy

STRATEGY = Strategy(
    type=DeviceClass,
    prefix="deviceclasses",
    generation=("spec",),
    deletion=Deletion(returns_object=True),
)
