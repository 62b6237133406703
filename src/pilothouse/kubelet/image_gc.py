"""Which images to remove when they fill the disk. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pilothouse.seams.runtime import Image

# Percent of the disk: above HIGH it is brought down to LOW; an image is left alone in its first minutes.
HIGH, LOW = 85, 80
MINIMUM_AGE = 120.0
NEVER = -1.0


class ImageAges:
    """When images were first seen and last used."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._used: dict[str, float] = {}

    def note(self, images: Sequence[Image], used: Collection[str], now: float) -> None:
        """`used` are ids of images that containers run."""
        known = {image.id for image in images}
        self._seen = {i: self._seen.get(i, now) for i in known}
        self._used = {i: now if i in used else self._used.get(i, NEVER) for i in known}

    def removable(self, images: Sequence[Image], used: Collection[str], now: float) -> list[Image]:
        """Those that may go, longest unused first."""
        idle = [
            image
            for image in images
            if image.id not in used and not image.pinned and now - self._seen.get(image.id, now) >= MINIMUM_AGE
        ]
        return sorted(idle, key=lambda image: (self._used.get(image.id, NEVER), self._seen[image.id]))


def to_free(capacity: int, available: int) -> int:
    """How many bytes of images have to go; 0 while there is room."""
    if (capacity - available) * 100 < capacity * HIGH:
        return 0
    return max(capacity * (100 - LOW) // 100 - available, 0)
