"""All interleavings of a few tasks: each takes a step when it is its turn, and every order of turns is tried once."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import KeyValue, Range, Sink, Store, Watch
from pilothouse.testing.clock import VirtualClock

R = TypeVar("R")
_ACTOR: contextvars.ContextVar[tuple[Turns, str] | None] = contextvars.ContextVar("actor", default=None)


class Turns:
    """One order of turns, given as the number of the waiting task that is chosen each time; 0 where it says nothing."""

    def __init__(self, clock: VirtualClock, choices: Sequence[int]) -> None:
        self.clock = clock
        self._choices = choices
        self._waiting: list[tuple[tuple[str, str], asyncio.Future[None]]] = []
        self.taken: list[tuple[int, int]] = []
        """What was chosen, of how many."""
        self.steps: list[tuple[str, str]] = []
        """Who did what, in the order in which it was done."""

    async def step(self, who: str, what: str) -> None:
        """Wait for one's turn."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(((who, what), future))
        await future

    async def play(self, **actors: Coroutine[Any, Any, object]) -> None:
        """Run the actors to their ends, one step of one of them at a time."""
        async with TaskScope("actors") as scope:
            tasks = [scope.spawn(self._act(name, work), name) for name, work in actors.items()]
            while not all(task.done() for task in tasks):
                await self.clock.settle()
                if self._waiting:
                    self._choose()
                elif not all(task.done() for task in tasks):
                    await self.clock.advance(1.0)  # an actor waits for time to pass

    async def _act(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        _ACTOR.set((self, name))
        await self.step(name, "begin")
        await work

    def _choose(self) -> None:
        place = len(self.taken)
        choice = self._choices[place] if place < len(self._choices) else 0
        self.taken.append((choice, len(self._waiting)))
        what, future = self._waiting.pop(choice)
        self.steps.append(what)
        future.set_result(None)


async def orders(clock: VirtualClock) -> AsyncIterator[Turns]:
    """Every order of turns, each to be played once before the next is asked for."""
    choices: list[int] = []
    while True:
        turns = Turns(clock, choices)
        yield turns
        taken = turns.taken
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        choices = [choice for choice, _ in taken[:-1]] + [taken[-1][0] + 1]


async def turn(what: str) -> None:
    """Wait for one's turn, if this is an actor."""
    actor = _ACTOR.get()
    if actor is not None:
        turns, name = actor
        await turns.step(name, what)


@contextlib.asynccontextmanager
async def _written(what: str) -> AsyncIterator[None]:
    await turn(what)
    try:
        yield
    except BaseException:
        if (actor := _ACTOR.get()) is not None:
            actor[0].steps[-1] = (actor[1], f"vain {what}")
        raise


class StoreOfTurns:
    """A store in which each write of an actor is a step; one that was refused is called `vain`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def revision(self) -> int:
        return await self._store.revision()

    async def compacted(self) -> int:
        return await self._store.compacted()

    async def get(self, key: str) -> KeyValue | None:
        return await self._store.get(key)

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        return await self._store.range(prefix, start=start, limit=limit, revision=revision)

    async def create(self, key: str, value: bytes) -> int:
        async with _written(f"create {key}"):
            return await self._store.create(key, value)

    async def replace(self, key: str, value: bytes, expected_revision: int) -> int:
        async with _written(f"replace {key}"):
            return await self._store.replace(key, value, expected_revision)

    async def delete(self, key: str, expected_revision: int) -> int:
        async with _written(f"delete {key}"):
            return await self._store.delete(key, expected_revision)

    async def watch(self, prefix: str, after_revision: int, sink: Sink) -> Watch:
        return await self._store.watch(prefix, after_revision, sink)

    async def compact(self, revision: int) -> None:
        await self._store.compact(revision)

    async def close(self) -> None:
        await self._store.close()


def in_turns(client: Any) -> Any:
    """The client, each of whose calls is a step of the actor that makes it."""
    return _ClientOfTurns(client)


class _ClientOfTurns:
    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def metadata(self) -> Any:
        return _ClientOfTurns(self._client.metadata)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **options: Any) -> Any:
            await turn(name)
            return await getattr(self._client, name)(*args, **options)

        return call
