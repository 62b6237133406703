"""IPAddress."""

from __future__ import annotations

from pilothouse.api.types.networking.v1 import IPAddress
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=IPAddress,
    prefix="ipaddresses",
)
