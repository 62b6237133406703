"""Automatic compaction: history is kept for a while, for watches that resume and lists that go on."""

from __future__ import annotations

import logging

from pilothouse.kit.clock import Clock
from pilothouse.seams.store import Compacted, Store, StoreUnavailable

log = logging.getLogger(__name__)
# As the real server does: what is forgotten is between five and ten minutes old.
INTERVAL = 300.0


async def compact_for_ever(store: Store, clock: Clock, interval: float = INTERVAL) -> None:
    """Every `interval` seconds, forget what was obsolete an interval ago. A task of the control plane; it ends by
    cancellation only: a store that is away is asked again next time."""
    revision = 0
    while True:
        try:
            newest = await store.revision()
            if revision > await store.compacted():
                await store.compact(revision)
                log.debug("compacted the store up to revision %d", revision)
            revision = newest
        except Compacted:
            log.debug("somebody else has compacted the store past revision %d", revision)
        except StoreUnavailable as error:
            log.warning("cannot compact the store: %s", error)
        await clock.sleep(interval)
