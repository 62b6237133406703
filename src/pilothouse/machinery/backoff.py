"""Exponential back-off with jitter, for one thing that fails again and again."""

from __future__ import annotations

from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance


class Backoff:
    """Delays that double from `base` to `ceiling` seconds, with up to `jitter` more; quiet for `reset_after` seconds,
    it starts anew."""

    def __init__(
        self,
        clock: Clock,
        chance: Chance,
        *,
        base: float = 0.8,
        ceiling: float = 30.0,
        jitter: float = 1.0,
        reset_after: float = 120.0,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._base = base
        self._ceiling = ceiling
        self._jitter = jitter
        self._reset_after = reset_after
        self._failures = 0
        self._last = clock.monotonic()

    def reset(self) -> None:
        self._failures = 0

    def next_delay(self) -> float:
        """The delay after one more failure."""
        now = self._clock.monotonic()
        if now - self._last > self._reset_after:
            self._failures = 0
        self._last = now
        delay = min(self._base * 2.0 ** min(self._failures, 30), self._ceiling)
        self._failures += 1
        return self._chance.jitter(delay, self._jitter)

    async def wait(self) -> None:
        """Sleep for `next_delay()`."""
        await self._clock.sleep(self.next_delay())
