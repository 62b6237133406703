"""Forks: a second store that goes its own way."""

from __future__ import annotations

import contextlib
from typing import TypeVar

from pilothouse.seams.store import Store

S = TypeVar("S", bound=Store)


async def fork(source: Store, into: S) -> S:
    """`into`, which now holds what `source` does at this moment. Values stay as they are stored: if they are encrypted,
    the fork needs the same keys. Raises what `Store.restore` raises."""
    async with contextlib.AsyncExitStack() as last:
        snapshot = await source.snapshot()
        last.push_async_callback(snapshot.close)
        await into.restore(snapshot)
    return into
