"""What the store holds of a resource and nobody can read: set aside by the reflector, named and deleted here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from pilothouse.apiserver.cacher.reflector import CacheReflector
from pilothouse.apiserver.generic.storage import Unreadable
from pilothouse.seams.store import Store


class SetAside:
    """A `generic.storage.UnreadableObjects`. `reach` waits until the reflector is as new as the store."""

    def __init__(
        self, store: Store, reflector: CacheReflector, prefix: str, reach: Callable[[], Awaitable[None]]
    ) -> None:
        self._store = store
        self._reflector = reflector
        self._prefix = prefix
        self._reach = reach

    def get(self, key: str) -> Unreadable | None:
        return self._reflector.contents.unreadable.get(key)

    def list(self, namespace: str = "") -> Sequence[Unreadable]:
        held = self._reflector.contents.unreadable
        folder = f"{self._prefix}{namespace}/" if namespace else ""
        return [held[key] for key in sorted(held) if key.startswith(folder)] if held else ()

    async def discard(self, key: str) -> bool:
        await self._reach()
        found = self.get(key)
        if found is not None:
            await self._store.delete(key, found.revision)
        return found is not None
