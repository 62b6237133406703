"""Secret."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Secret
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=Secret,
    prefix="secrets",
    own_field_labels=True,
    fields={"type": lambda o: o.type},
)
