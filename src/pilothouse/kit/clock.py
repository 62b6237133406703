"""The one door to time. Nothing else in the project reads a clock or sleeps.

Two times: `now()` is wall time (seconds since the epoch, may be set by the user of a simulated cluster),
`monotonic()` never goes back and is for durations. The virtual clock is `pilothouse.testing.clock`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol


class Clock(Protocol):
    """Time as rooms see it. Passed in, never global."""

    def now(self) -> float:
        """Wall time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock; at once (after one turn of the loop) if not positive."""
        ...

    def timeout(self, seconds: float | None) -> contextlib.AbstractAsyncContextManager[object]:
        """Cancel the body after `seconds` of this clock and raise TimeoutError from the block; None never does."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))

    def timeout(self, seconds: float | None) -> contextlib.AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)


def pause(seconds: float) -> None:
    """Block this thread: for the command line alone, which has no event loop."""
    time.sleep(seconds)
