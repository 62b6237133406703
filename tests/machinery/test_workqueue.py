"""The work queue: once, never twice at a time, later, and slower after failures."""

from __future__ import annotations

from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.workqueue import WorkQueue
from pilothouse.testing.clock import VirtualClock


async def test_key_waits_once_and_comes_back_after_done(clock: VirtualClock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add("a")
    queue.add("a")
    assert len(queue) == 1
    assert await queue.get() == "a"
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"


async def test_delays_pass_in_order_and_the_earliest_counts(clock: VirtualClock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock)
    async with TaskScope("test") as scope:
        scope.spawn(queue.run(), "delays")
        start = clock.monotonic()
        queue.add_after("slow", 10)
        queue.add_after("a", 5)
        queue.add_after("a", 1)
        seen = []
        for _ in range(2):
            key = await queue.get()
            seen.append((key, round(clock.monotonic() - start, 3)))
            queue.done(key)
        assert seen == [("a", 1), ("slow", 10)]


async def test_failures_double_the_delay(clock: VirtualClock) -> None:
    queue: WorkQueue[str] = WorkQueue(clock)
    async with TaskScope("test") as scope:
        scope.spawn(queue.run(), "delays")
        delays = []
        for _ in range(4):
            before = clock.monotonic()
            queue.add_rate_limited("a")
            key = await queue.get()
            delays.append(round((clock.monotonic() - before) * 1000))
            queue.done(key)
        assert delays == [5, 10, 20, 40]
        queue.forget("a")
        assert queue.failures("a") == 0
