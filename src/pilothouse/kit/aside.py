"""Work on large untrusted input beside the event loop, so that no client can hold the loop for others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LARGE = 128 * 1024
"""Bytes of input from which on work is done in a thread: less than that takes a few milliseconds."""


async def aside(size: int, work: Callable[[], T]) -> T:
    """The result of `work`, which is about `size` bytes of input and shares nothing that changes with the loop."""
    return work() if size < LARGE else await asyncio.to_thread(work)
