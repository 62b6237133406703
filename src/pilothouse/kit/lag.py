"""The loop-lag guard: how late the loop runs what is due, as a metric, and a warning when it is too late.

One probe sleeps for a moment again and again; what it oversleeps, a callback has held the loop, or the machine was
busy. No callback may hold it longer than LIMIT.
"""

from __future__ import annotations

import logging

from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Histogram, Registry

log = logging.getLogger(__name__)

# Seconds: how long a callback may take, how often to look, and when to say something.
LIMIT = 0.020
PERIOD = 0.1
WARN = 0.25
_BUCKETS = (0.001, 0.002, 0.005, 0.010, 0.020, 0.050, 0.1, 0.25, 0.5, 1.0, 2.5)


class LagGuard:
    """Measures the lag of the loop it runs on."""

    def __init__(self, clock: Clock, registry: Registry, period: float = PERIOD) -> None:
        self._clock = clock
        self._period = period
        self.lag: Histogram = registry.histogram(
            "pilothouse_loop_lag_seconds", "How late the event loop runs what is due.", buckets=_BUCKETS
        ).labels()
        self.worst = 0.0
        """Seconds; the most since somebody set it to nought."""

    async def run(self) -> None:
        """A task of every process that has a loop; ends by cancellation."""
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(self._period)
            late = max(0.0, self._clock.monotonic() - before - self._period)
            self.lag.observe(late)
            self.worst = max(self.worst, late)
            if late > WARN:
                log.warning("something has held the event loop for %.0f ms", late * 1000)
