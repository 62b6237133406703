from __future__ import annotations

import asyncio
import time

import pytest

from pilothouse.kit.clock import Clock
from pilothouse.testing.clock import EPOCH, Stalled, VirtualClock, VirtualLoop, run


async def test_a_day_passes_in_no_time(clock: VirtualClock) -> None:
    started = time.monotonic()
    await clock.sleep(90_000)
    assert clock.now() == EPOCH + 90_000
    assert time.monotonic() - started < 1


async def test_it_is_a_clock(clock: VirtualClock) -> None:
    abstract: Clock = clock
    with pytest.raises(TimeoutError):
        async with abstract.timeout(5):
            await abstract.sleep(6)
    async with abstract.timeout(None):
        await abstract.sleep(-1)
    assert clock.now() == EPOCH + 5


async def test_plain_asyncio_is_virtual_too(clock: VirtualClock) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.Event().wait()
    assert clock.now() == EPOCH + 30


async def test_wakes_in_order_of_deadlines_then_of_setting(clock: VirtualClock) -> None:
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        for index in range(20):
            group.create_task(sleeper(f"b{index:02}", 2.0))
        group.create_task(sleeper("a", 1.0))
    assert woken == ["a"] + [f"b{index:02}" for index in range(20)]


async def test_advance_runs_all_that_falls_due(clock: VirtualClock) -> None:
    beats: list[float] = []

    async def heart() -> None:
        while True:
            await clock.sleep(10)
            beats.append(clock.now() - EPOCH)

    task = asyncio.create_task(heart())
    await clock.advance(35)
    assert beats == [10, 20, 30]
    task.cancel()


async def test_settle_takes_no_time(clock: VirtualClock) -> None:
    steps = 0

    async def busy() -> None:
        nonlocal steps
        for _ in range(50):
            await asyncio.sleep(0)
            steps += 1

    task = asyncio.create_task(busy())
    await clock.settle()
    assert (steps, clock.now(), task.done()) == (50, EPOCH, True)


async def test_waits_for_threads_before_jumping(clock: VirtualClock) -> None:
    async with asyncio.timeout(1):
        await asyncio.to_thread(time.sleep, 0.02)
    assert clock.now() == EPOCH


async def test_loopback_sockets_answer_before_the_clock_jumps(clock: VirtualClock) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, asyncio.timeout(1):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
    assert clock.now() == EPOCH


def test_without_autojump_only_advance_moves_it() -> None:
    clock = VirtualClock(autojump=False)

    async def main() -> None:
        task = asyncio.create_task(clock.sleep(10))
        await clock.advance(9)
        assert not task.done()
        await clock.advance(1)
        assert task.done()

    run(main(), clock)


def test_a_test_that_waits_for_nothing_is_told() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled, match="main"):
        run(main())


def test_jump_and_wall_time_without_a_loop(clock: VirtualClock) -> None:
    clock.jump(5)
    assert clock.now() == EPOCH + 5
    before = clock.monotonic()
    clock.set_wall(0.0)
    assert (clock.now(), clock.monotonic()) == (0.0, before)


async def test_needs_its_own_loop() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualLoop)
    with pytest.raises(RuntimeError):
        await VirtualClock().sleep(1)
