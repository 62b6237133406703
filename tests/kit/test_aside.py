"""Work beside the loop, and in turns with it."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable

import pytest

from pilothouse.kit import memory
from pilothouse.kit.aside import LARGE, aside, begin, end, in_turns

LONG = 1 << 20


async def test_only_large_work_goes_to_a_thread() -> None:
    here = threading.get_ident()
    assert await aside(10, threading.get_ident) == here
    assert await aside(LARGE, threading.get_ident) != here
    assert await aside(LONG, threading.get_ident) not in (here, await aside(LARGE, threading.get_ident))


class Held:
    """Work that keeps its thread until it is let go."""

    def __init__(self) -> None:
        self.begun, self._over = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        assert self._over.wait(30)

    async def started(self) -> asyncio.Task[None]:
        task = asyncio.create_task(aside(LONG, self))
        assert await asyncio.to_thread(self.begun.wait, 30)
        return task

    def let_go(self) -> None:
        self._over.set()


def waiting(client: str, done: list[str], count: int) -> list[asyncio.Task[None]]:
    """Pieces of work of one client, each in a task of its own."""

    def named(name: str) -> Callable[[], None]:
        return lambda: done.append(name)

    async def ask(name: str) -> None:
        begin(client)
        await aside(LONG, named(name))

    return [asyncio.create_task(ask(f"{client}{number}")) for number in range(count)]


async def test_clients_take_turns() -> None:
    held, done = Held(), list[str]()
    first = await held.started()
    tasks = [first, *waiting("a", done, 4)]
    await asyncio.sleep(0)
    tasks += waiting("b", done, 2)
    await asyncio.sleep(0)
    held.let_go()
    await asyncio.gather(*tasks)
    assert done == ["a0", "b0", "a1", "b1", "a2", "a3"]


async def test_short_work_does_not_wait_for_long_work() -> None:
    held = Held()
    task = await held.started()
    assert await aside(LARGE, lambda: 5) == 5
    held.let_go()
    await task


async def test_who_gives_up_leaves_the_turn_to_the_next() -> None:
    held, done = Held(), list[str]()
    first = await held.started()
    (given_up,) = waiting("a", done, 1)
    others = waiting("b", done, 1)
    await asyncio.sleep(0)
    given_up.cancel()
    held.let_go()
    await asyncio.gather(first, *others)
    assert done == ["b0"]
    assert await aside(LONG, lambda: 5) == 5


async def test_everything_is_looked_through_when_the_last_large_work_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[None] = []
    monkeypatch.setattr(memory, "rest", lambda: rests.append(None))
    over = asyncio.Event()

    async def request(size: int) -> None:
        begin("a")
        await aside(size, int)
        await over.wait()
        end()

    async def alone(size: int) -> None:
        begin("b")
        await aside(size, int)
        end()

    lasting = asyncio.create_task(request(LARGE))
    await asyncio.sleep(0)
    await asyncio.create_task(alone(LARGE))
    assert rests == []
    over.set()
    await lasting
    await asyncio.create_task(alone(10))
    assert len(rests) == 1


def test_there_must_be_cause_to_look_through_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    collected: list[None] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(None))
    monkeypatch.setattr(gc, "get_count", lambda: (5, 5, 3))
    memory.rest()
    assert collected == []
    monkeypatch.setattr(gc, "get_count", lambda: (5, 5, 300))
    memory.rest()
    assert len(collected) == 1


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
