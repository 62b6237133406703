"""VolumeAttachment."""

from __future__ import annotations

from pilothouse.api.types.storage.v1 import VolumeAttachment
from pilothouse.apiserver.generic.strategy import Deletion, Status, Strategy

STRATEGY = Strategy(
    type=VolumeAttachment,
    prefix="volumeattachments",
    allow_unconditional_update=False,
    status=Status(),
    deletion=Deletion(returns_object=True),
)
