"""Work beside the loop, and in turns with it."""

from __future__ import annotations

import asyncio
import threading

from pilothouse.kit.aside import LARGE, aside, in_turns


async def test_only_large_work_goes_to_a_thread() -> None:
    here = threading.get_ident()
    assert await aside(10, threading.get_ident) == here
    assert await aside(LARGE, threading.get_ident) != here


async def test_others_get_their_turn() -> None:
    turns: list[int] = []

    async def other() -> None:
        while len(turns) < 4:
            turns.append(len(turns))
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert await in_turns(range(10), lambda n: n * n, each=3) == [n * n for n in range(10)]
    assert len(turns) >= 3
    await task
