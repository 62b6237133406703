"""PersistentVolumeClaim."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import PersistentVolumeClaim
from pilothouse.apiserver.generic.strategy import Deletion, Status, Strategy

STRATEGY = Strategy(
    type=PersistentVolumeClaim,
    prefix="persistentvolumeclaims",
    status=Status(),
    deletion=Deletion(returns_object=True),
)
