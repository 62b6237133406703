"""ServiceAccount."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import ServiceAccount
from pilothouse.apiserver.generic.strategy import Deletion, Strategy

STRATEGY = Strategy(
    type=ServiceAccount,
    prefix="serviceaccounts",
    allow_unconditional_update=False,
    deletion=Deletion(returns_object=True),
)
