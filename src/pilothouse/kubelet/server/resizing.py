"""Terminal sizes as clients send them: JSON objects one after another. Pure."""

from __future__ import annotations

import json

LONGEST = 4096


class SizeReader:
    """Fed with the bytes of a resize stream; gives (width, height) as they become whole."""

    def __init__(self) -> None:
        self._held = ""
        self._decoder = json.JSONDecoder()

    def feed(self, data: bytes) -> list[tuple[int, int]]:
        """What is no size is dropped."""
        self._held = (self._held + data.decode("utf-8", "replace")).lstrip()
        found = []
        while self._held:
            try:
                value, end = self._decoder.raw_decode(self._held)
            except ValueError:
                if len(self._held) > LONGEST:
                    self._held = ""
                break
            self._held = self._held[end:].lstrip()
            if (size := _size(value)) is not None:
                found.append(size)
        return found


def _size(value: object) -> tuple[int, int] | None:
    if not isinstance(value, dict):
        return None
    named = {str(key).lower(): number for key, number in value.items()}
    width, height = named.get("width"), named.get("height")
    if isinstance(width, int) and isinstance(height, int) and 0 < width < 65536 and 0 < height < 65536:
        return width, height
    return None
