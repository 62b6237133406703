"""Turns in sending: how much of long answers is written in one turn of the loop, whoever they are for.

A kernel takes megabytes of a quick reader's answer at once, and two hundred readers are quick together: without turns
everybody else would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque

# Blocks a turn of the loop; each is encrypted and handed to the kernel in about a tenth of a millisecond.
BLOCKS_A_TURN = 48


class WriteScheduler:
    """Shared by the connections of a server. First come, first served."""

    def __init__(self, limit: int = BLOCKS_A_TURN) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return when a block may be written: at once, unless this turn of the loop has had its share."""
        if self._used == 0 and not self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        if self._used < self._limit and not self._waiting:
            self._used += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        """The loop has gone round."""
        self._used = 0
        while self._waiting and self._used < self._limit:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._used += 1
        if self._used or self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
