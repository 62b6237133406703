"""Writes that were admitted and are not in the store yet, by namespace: whoever counts what is there waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class UnderWay:
    """The creates of each namespace that are between admission and the store."""

    def __init__(self) -> None:
        self._held: dict[str, set[object]] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def begin(self, namespace: str) -> Callable[[], None]:
        """A write sets out; call what this answers, once, when it was stored or refused."""
        write = object()
        self._held.setdefault(namespace, set()).add(write)

        def end() -> None:
            held = self._held[namespace]
            held.discard(write)
            if not held:
                del self._held[namespace]
            for future in self._waiting.pop(namespace, ()):
                if not future.done():
                    future.set_result(None)

        return end

    async def settled(self, namespace: str) -> None:
        """Return when every write of the namespace that is under way now has ended."""
        before = set(self._held.get(namespace, ()))
        while before & self._held.get(namespace, set()):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(namespace, []).append(future)
            await future
