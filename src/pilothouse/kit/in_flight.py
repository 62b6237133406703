"""Work that has begun and not ended, by place: who counts or removes all there is in a place waits for it first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class InFlight:
    """Pieces of work, each in one place. What a place is, its user decides."""

    def __init__(self) -> None:
        self._held: dict[str, set[object]] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def begin(self, place: str) -> Callable[[], None]:
        """A piece of work begins; call what this answers, once, when it ended either way."""
        write = object()
        self._held.setdefault(place, set()).add(write)

        def end() -> None:
            held = self._held[place]
            held.discard(write)
            if not held:
                del self._held[place]
            for future in self._waiting.pop(place, ()):
                if not future.done():
                    future.set_result(None)

        return end

    async def settled(self, place: str) -> None:
        """Return when all work that is in flight in the place now has ended."""
        before = set(self._held.get(place, ()))
        while before & self._held.get(place, set()):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(place, []).append(future)
            await future
