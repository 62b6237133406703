"""The engines that the contract suite runs on, behind one harness."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pilothouse.seams.store import Event, Store, StoreError, Watch
from pilothouse.store.memory import MemoryStore
from pilothouse.store.sqlite import SQLiteStore


class Engine(Protocol):
    """Opens stores over the same data, again and again."""

    durable: bool

    async def open(self) -> Store: ...

    async def stop(self) -> None: ...


class MemoryEngine:
    durable = False

    async def open(self) -> Store:
        return MemoryStore()

    async def stop(self) -> None: ...


class SQLiteEngine:
    durable = True

    def __init__(self, path: Path) -> None:
        self.path = path

    async def open(self) -> Store:
        return await SQLiteStore.open(self.path / "state" / "store.db")

    async def stop(self) -> None: ...


class Collector:
    """A sink that tests can wait on."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.error: StoreError | None = None
        self._changed = asyncio.Event()

    def events(self, batch: Sequence[Event]) -> None:
        assert batch
        self.seen += batch
        self._changed.set()

    def ended(self, error: StoreError) -> None:
        assert self.error is None
        self.error = error
        self._changed.set()

    async def wait_ended(self) -> StoreError:
        while self.error is None:
            self._changed.clear()
            await self._changed.wait()
        return self.error

    async def caught_up(self, watch: Watch) -> list[Event]:
        """What was seen once the watch has caught up; then forgotten."""
        await watch.catch_up()
        seen, self.seen = self.seen, []
        return seen
