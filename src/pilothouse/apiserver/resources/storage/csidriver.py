"""CSIDriver."""

from __future__ import annotations

from pilothouse.api.types.storage.v1 import CSIDriver
from pilothouse.apiserver.generic.strategy import Deletion, Strategy

STRATEGY = Strategy(
    type=CSIDriver,
    prefix="csidrivers",
    allow_unconditional_update=False,
    deletion=Deletion(returns_object=True),
)
