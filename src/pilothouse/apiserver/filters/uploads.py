"""How many bodies one user may keep the server waiting for.

A request has its seats of priority and fairness while its body is still on its way: without a bound, one user with slow
bodies would have all seats of a level, and everybody else in it would hear 429.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.apiserver.filters.flowcontrol.controller import TooMany

MOST = 48
"""Bodies of one user that are waited for at a time; those that arrive with their heads do not count. A level that has
borrowed all it can has some three times as many seats."""


class Uploads:
    """Counts the bodies that are being waited for, by user."""

    def __init__(self) -> None:
        self._waited_for: dict[str, int] = {}

    @contextmanager
    def one(self, user: str) -> Iterator[None]:
        """One more while the block lasts. Raises TooMany."""
        count = self._waited_for.get(user, 0)
        if count >= MOST:
            raise TooMany(())
        self._waited_for[user] = count + 1
        try:
            yield
        finally:
            left = self._waited_for[user] - 1
            if left:
                self._waited_for[user] = left
            else:
                del self._waited_for[user]
