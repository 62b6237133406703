"""PersistentVolume."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import PersistentVolume
from pilothouse.apiserver.generic.strategy import Deletion, Status, Strategy

STRATEGY = Strategy(
    type=PersistentVolume,
    prefix="persistentvolumes",
    status=Status(),
    deletion=Deletion(returns_object=True),
)
