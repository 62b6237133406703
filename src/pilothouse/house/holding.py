"""What lives as long as its process."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Closable(Protocol):
    async def close(self) -> None: ...


async def hold(held: Closable) -> None:
    """Keep `held` until cancelled, then close it: the body of a task."""
    try:
        await asyncio.Event().wait()
    finally:
        await held.close()
