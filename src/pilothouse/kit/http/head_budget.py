"""What heads of requests that are still on their way may take of the server's memory, all together.

Who sends a head is not known before it is complete, so no user can be made to answer for it, and one peer may open many
connections. Each head has a limit of its own (`Limits.head_bytes`); Go's server has only that.
"""

from __future__ import annotations

from typing import Protocol

SMALL = 16 * 1024
"""Bytes of a head that are not counted: nearly all heads are smaller."""


class Holder(Protocol):
    """What reads a connection."""

    def cut_off(self) -> None:
        """Close at once."""
        ...


class HeadBudget:
    """Counts the bytes of large heads; once there are more than `most`, those that began first are cut off. Whoever
    sends a head as a whole is through long before it is the oldest."""

    def __init__(self, most: int) -> None:
        self.taken = 0
        self._most = most
        self._sizes: dict[Holder, int] = {}

    def grown(self, holder: Holder, size: int) -> None:
        """The head that is arriving at `holder` has `size` bytes by now. May cut off any holder, this one too."""
        self.taken += size - self._sizes.get(holder, 0)
        self._sizes[holder] = size
        while self.taken > self._most:
            oldest = next(iter(self._sizes))
            self.released(oldest)
            oldest.cut_off()

    def released(self, holder: Holder) -> None:
        """No large head is on its way to `holder` any more."""
        self.taken -= self._sizes.pop(holder, 0)
