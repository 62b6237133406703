"""VolumeAttributesClass."""

from __future__ import annotations

from pilothouse.api.types.storage.v1 import VolumeAttributesClass
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=VolumeAttributesClass,
    prefix="volumeattributesclasses",
)
