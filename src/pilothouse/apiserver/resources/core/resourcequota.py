"""ResourceQuota."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import ResourceQuota
from pilothouse.apiserver.generic.strategy import Deletion, Status, Strategy

STRATEGY = Strategy(
    type=ResourceQuota,
    prefix="resourcequotas",
    status=Status(),
    deletion=Deletion(returns_object=True),
)
