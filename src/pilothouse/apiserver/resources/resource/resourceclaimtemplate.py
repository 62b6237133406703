"""ResourceClaimTemplate."""

from __future__ import annotations

from pilothouse.api.types.resource.v1 import ResourceClaimTemplate
from pilothouse.apiserver.generic.strategy import Deletion, Strategy

STRATEGY = Strategy(
    type=ResourceClaimTemplate,
    prefix="resourceclaimtemplates",
    deletion=Deletion(returns_object=True),
)
