"""CSIStorageCapacity."""

from __future__ import annotations

from pilothouse.api.types.storage.v1 import CSIStorageCapacity
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=CSIStorageCapacity,
    prefix="csistoragecapacities",
)
