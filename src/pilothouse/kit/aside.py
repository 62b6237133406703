"""Large pieces of work beside the event loop or in turns with it, so that no client can hold it for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
X = TypeVar("X")

LARGE = 32 * 1024
"""Bytes of input from which on work is done in a thread: less than that takes a few milliseconds, at the worst some
twenty (ten thousand labels to be checked)."""
# One thread: the interpreter runs one at a time, and with two at work the loop would wait for both.
_executor = ThreadPoolExecutor(1, "aside")


async def aside(size: int, work: Callable[[], T]) -> T:
    """The result of `work`, which is about `size` bytes of input and shares nothing that changes with the loop."""
    return work() if size < LARGE else await asyncio.get_running_loop().run_in_executor(_executor, work)


async def in_turns(items: Sequence[X], work: Callable[[X], T], each: int = 64) -> list[T]:
    """What `work` makes of each item; others get their turn after every `each` of them."""
    out: list[T] = []
    for start in range(0, len(items), each):
        out += map(work, items[start : start + each])
        if start + each < len(items):
            await asyncio.sleep(0)
    return out
