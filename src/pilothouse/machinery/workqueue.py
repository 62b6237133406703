"""The work queue of a controller: keys that wait to be looked at.

A key waits at most once, however often it is added. One that is added while a worker has it is handed out again after
`done`, never to two workers at once. Keys may be added after a delay, or after the key's own back-off.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Histogram

T = TypeVar("T", bound=Hashable)
# Bounds of the histograms: those of the real controllers.
SECONDS = tuple(10.0**n for n in range(-8, 2))


class WorkQueue(Generic[T]):
    """`run` must be going for delays to pass."""

    def __init__(self, clock: Clock, *, base: float = 0.005, ceiling: float = 1000.0) -> None:
        self._clock = clock
        self._base = base
        self._ceiling = ceiling
        self._ready: deque[T] = deque()
        self._dirty: set[T] = set()
        self._working: set[T] = set()
        self._failures: dict[T, int] = {}
        self._due: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._order = 0
        self._getters: deque[asyncio.Future[None]] = deque()
        self._rearm = asyncio.Event()
        self.added = 0
        """Keys that were let in, each time they were."""
        self.waits, self.works = Histogram(SECONDS), Histogram(SECONDS)
        """How long keys waited until a worker took them, and how long workers had them."""
        self._since: dict[T, float] = {}
        self._begun: dict[T, float] = {}
        self.retried = 0
        """Keys that were added again after a failure."""

    @property
    def delayed(self) -> int:
        """Keys that wait for their time."""
        return len(self._due)

    @property
    def working(self) -> int:
        """Keys that workers have."""
        return len(self._working)

    def unfinished(self) -> Sequence[float]:
        """The seconds for which workers have had what they have."""
        now = self._clock.monotonic()
        return [now - begun for begun in self._begun.values()]

    def __len__(self) -> int:
        """Keys ready to be taken."""
        return len(self._ready)

    def add(self, key: T) -> None:
        """Let `key` be looked at as soon as a worker is free."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        self.added += 1
        self._since[key] = self._clock.monotonic()
        if key not in self._working:
            self._push(key)

    def add_after(self, key: T, seconds: float) -> None:
        """Add `key` after `seconds`; of several delays of one key the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        when = self._clock.monotonic() + seconds
        if key in self._due and self._due[key] <= when:
            return
        self._due[key] = when
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, key))
        if self._heap[0][2] == key:
            self._rearm.set()

    def add_rate_limited(self, key: T) -> None:
        """Add `key` after a delay that doubles with each failure since the last `forget`."""
        self.retried += 1
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.add_after(key, min(self._base * 2.0 ** min(failures, 40), self._ceiling))

    def failures(self, key: T) -> int:
        return self._failures.get(key, 0)

    def forget(self, key: T) -> None:
        """The key went well: its back-off starts anew."""
        self._failures.pop(key, None)

    async def get(self) -> T:
        """The next key; call `done` with it when finished."""
        while not self._ready:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._wake()
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        now = self._begun[key] = self._clock.monotonic()
        self.waits.observe(now - self._since.pop(key, now))
        return key

    def done(self, key: T) -> None:
        self._working.discard(key)
        if (begun := self._begun.pop(key, None)) is not None:
            self.works.observe(self._clock.monotonic() - begun)
        if key in self._dirty:
            self._push(key)

    async def run(self) -> None:
        """Let delayed keys in when they fall due; until cancelled."""
        while True:
            self._rearm.clear()
            delay = self._release()
            try:
                async with self._clock.timeout(delay):
                    await self._rearm.wait()
            except TimeoutError:
                continue

    def _release(self) -> float | None:
        now = self._clock.monotonic()
        while self._heap:
            when, _, key = self._heap[0]
            if self._due.get(key) != when:
                heapq.heappop(self._heap)
            elif when <= now:
                heapq.heappop(self._heap)
                del self._due[key]
                self.add(key)
            else:
                return when - now
        return None

    def _push(self, key: T) -> None:
        self._ready.append(key)
        self._wake()

    def _wake(self) -> None:
        while self._getters:
            future = self._getters.popleft()
            if not future.done():
                future.set_result(None)
                return
