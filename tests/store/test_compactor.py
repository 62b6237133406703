from __future__ import annotations

import asyncio

import pytest

from pilothouse.seams.store import Compacted
from pilothouse.store.compactor import compact_for_ever
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock


async def test_forgets_between_one_and_two_intervals_late(clock: VirtualClock) -> None:
    store = MemoryStore()
    task = asyncio.create_task(compact_for_ever(store, clock))
    await clock.advance(1)
    first = await store.create("/a", b"1")
    second = await store.replace("/a", b"2", first)
    await clock.advance(300)
    assert (await store.range("/", revision=first)).items
    await clock.advance(300)
    with pytest.raises(Compacted):
        await store.range("/", revision=first)
    assert (await store.range("/", revision=second)).items[0].value == b"2"
    task.cancel()


async def test_goes_on_when_the_store_is_away_or_compacted_by_another(clock: VirtualClock) -> None:
    store = MemoryStore()
    task = asyncio.create_task(compact_for_ever(store, clock))
    await store.create("/a", b"1")
    await clock.advance(301)
    await store.compact(await store.create("/b", b"1"))
    await clock.advance(600)
    await store.close()
    await clock.advance(600)
    assert not task.done()
    task.cancel()
