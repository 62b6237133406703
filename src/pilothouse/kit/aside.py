"""Large pieces of work beside the event loop or in turns with it, so that no client can hold it for others.

The interpreter runs one thread at a time. The loop gets it back within `_SWITCH`, unless one call of C code takes
longer: what goes aside makes such calls on pieces of its input (`kit.pieces`).
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TypeVar

from pilothouse.kit import memory

T = TypeVar("T")
X = TypeVar("X")

LARGE = 32 * 1024
"""Bytes of input from which on work is done in a thread: less than that takes a few milliseconds, at the worst some
twenty (ten thousand labels to be checked)."""
_LONG = 512 * 1024
# Seconds after which a thread hands the interpreter over to one that waits for it; Python's own default is 5 ms.
_SWITCH = 0.001


class _Work:
    """All that is done for one request, say. `client`: for whom; clients take turns. `large`: some of it went aside."""

    __slots__ = ("__weakref__", "client", "large")

    def __init__(self, client: str) -> None:
        self.client = client
        self.large = False


_work: ContextVar[_Work | None] = ContextVar("work", default=None)
_large: weakref.WeakSet[_Work] = weakref.WeakSet()


def begin(client: str) -> None:
    """What the running task does from now on is done for `client`."""
    _work.set(_Work(client))


def end() -> None:
    """Nothing of what the running task began is alive any more."""
    work = _work.get()
    if work is not None and work.large:
        _large.discard(work)
        if not _large:
            memory.rest()


class _Lane:
    """One thread; clients whose work waits for it have their turns one after the other."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._busy = False

    async def run(self, who: str, work: Callable[[], T]) -> T:
        if self._busy:
            await self._turn(who)
        self._busy = True
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._next()

    async def _turn(self, who: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next()
            raise

    def _next(self) -> None:
        while self._waiting:
            who = next(iter(self._waiting))
            turns = self._waiting.pop(who)
            turn = turns.popleft()
            if turns:
                self._waiting[who] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False


# Two threads, so that what is short does not wait for what is long. Not more: the loop would wait for all of them.
_executors = ThreadPoolExecutor(1, "aside"), ThreadPoolExecutor(1, "aside-long")
_lanes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[_Lane, _Lane]] = weakref.WeakKeyDictionary()


async def aside(size: int, work: Callable[[], T]) -> T:
    """The result of `work`, which is about `size` bytes of input and shares nothing that changes with the loop."""
    if size < LARGE:
        return work()
    loop = asyncio.get_running_loop()
    lanes = _lanes.get(loop)
    if lanes is None:
        lanes = _lanes[loop] = (_Lane(_executors[0]), _Lane(_executors[1]))
    whole = _work.get()
    if whole is not None and not whole.large:
        whole.large = True
        _large.add(whole)
    return await lanes[size >= _LONG].run(whole.client if whole is not None else "", work)


def hand_over_quickly() -> None:
    """Call once in a process whose loop has work aside."""
    sys.setswitchinterval(_SWITCH)


async def in_turns(items: Sequence[X], work: Callable[[X], T], each: int = 64) -> list[T]:
    """What `work` makes of each item; others get their turn after every `each` of them."""
    out: list[T] = []
    for start in range(0, len(items), each):
        out += map(work, items[start : start + each])
        if start + each < len(items):
            await asyncio.sleep(0)
    return out
