"""Creates that have set out and are not in the store yet: whoever counts or removes all there is waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class UnderWay:
    """Creates between their admission and the store, each in one place: a namespace, or a definition."""

    def __init__(self) -> None:
        self._held: dict[str, set[object]] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def begin(self, place: str) -> Callable[[], None]:
        """A create sets out; call what this answers, once, when it was stored or refused."""
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
        """Return when every create of the place that is under way now has ended."""
        before = set(self._held.get(place, ()))
        while before & self._held.get(place, set()):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(place, []).append(future)
            await future
