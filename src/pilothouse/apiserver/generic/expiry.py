"""Objects that vanish a while after their last write (Events)."""

from __future__ import annotations

import collections

from pilothouse.apiserver.generic.storage import Cache, CachedObject
from pilothouse.kit.clock import Clock
from pilothouse.seams.store import RevisionMismatch, StoreUnavailable

PERIOD = 30.0


class Expiry:
    """Deletes what was not written for `seconds`. What a restart finds starts its time anew, but not longer than it
    would have had."""

    def __init__(self, cache: Cache, seconds: float, clock: Clock) -> None:
        self._cache = cache
        self._seconds = seconds
        self._clock = clock
        self._written: collections.OrderedDict[str, tuple[float, int]] = collections.OrderedDict()
        cache.observe(self._seen)

    def _seen(self, before: CachedObject | None, after: CachedObject | None) -> None:
        item = after or before
        assert item is not None
        self._written.pop(item.key, None)
        if after is not None:
            self._written[item.key] = (self._clock.monotonic(), after.revision)

    async def run(self) -> None:
        """A task of the server; ends by cancellation."""
        while True:
            await self._clock.sleep(min(PERIOD, self._seconds))
            await self.expire()

    async def expire(self) -> None:
        """Delete what is due now."""
        due = self._clock.monotonic() - self._seconds
        while self._written:
            key, (written, revision) = next(iter(self._written.items()))
            if written > due:
                return
            try:
                await self._cache.delete(key, revision)
            except RevisionMismatch:
                pass  # written meanwhile: its time begins anew
            except StoreUnavailable:
                return
            if self._written.get(key) == (written, revision):
                del self._written[key]
