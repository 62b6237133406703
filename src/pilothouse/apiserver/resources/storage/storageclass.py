"""StorageClass."""

from __future__ import annotations

from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.apiserver.generic.strategy import Deletion, Strategy

STRATEGY = Strategy(
    type=StorageClass,
    prefix="storageclasses",
    deletion=Deletion(returns_object=True),
)
