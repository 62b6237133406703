"""ResourceClaim."""

from __future__ import annotations

from pilothouse.api.types.resource.v1 import ResourceClaim
from pilothouse.apiserver.generic.strategy import Deletion, Status, Strategy

STRATEGY = Strategy(
    type=ResourceClaim,
    prefix="resourceclaims",
    status=Status(),
    deletion=Deletion(returns_object=True),
)
