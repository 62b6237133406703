"""Virtual time: a clock, and an asyncio loop that lives on it, so that no test ever sleeps.

`VirtualLoop` takes its time from a `VirtualClock`. When nothing can run, the clock jumps to the next timer at once
(autojump), so `asyncio.sleep`, `asyncio.timeout`, `loop.call_later` and everything of `Clock` cost no real time and
wake in the order of their deadlines; equal deadlines wake in the order they were set. Work given to an executor is
waited for in real time before the clock jumps; sockets get a moment of grace.

A test takes the fixture `clock` (see `pilothouse.testing.plugin`) and thereby runs on a virtual loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# 2026-01-01T00:00:00Z: a round wall time, so that expectations in tests read well.
EPOCH = 1_767_225_600.0
# Monotonic time does not start at nought: code that takes 0.0 for "never" must not work by luck.
MONOTONIC_START = 1000.0

# Real seconds. Grace lets loopback peers answer before the clock jumps; patience ends a test that waits for nothing.
IO_GRACE = 0.005
THREAD_PATIENCE = 1.0
IO_PATIENCE = 30.0
ROUNDING = 1e-9


class Stalled(RuntimeError):
    """Nothing can ever happen any more: no task can run, no timer may fire, and nothing arrives from outside."""


class VirtualClock:
    """A `kit.clock.Clock` that moves only when told, or by itself while its loop is idle (`autojump`)."""

    def __init__(self, start: float = EPOCH, *, autojump: bool = True) -> None:
        self._monotonic = MONOTONIC_START
        self._wall_offset = start - MONOTONIC_START
        self._limit = math.inf if autojump else MONOTONIC_START
        self._settling: list[asyncio.Future[None]] = []

    def now(self) -> float:
        return self._monotonic + self._wall_offset

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self._require_loop()
        await asyncio.sleep(max(seconds, 0.0))

    def timeout(self, seconds: float | None) -> contextlib.AbstractAsyncContextManager[object]:
        self._require_loop()
        return asyncio.timeout(seconds)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: all that falls due in them runs, in order, and what it set going has come to rest."""
        deadline = self._monotonic + seconds
        if self._limit != math.inf:
            self._limit = max(self._limit, deadline)
        await self.sleep(seconds)
        await self.settle()

    async def settle(self) -> None:
        """Return when every other task waits for a timer or for the outside; no time passes."""
        future = self._require_loop().create_future()
        self._settling.append(future)
        await future

    def jump(self, seconds: float) -> None:
        """Move at once, without letting anything run in between; for code that has no loop."""
        self._move_to(self._monotonic + seconds)
        if self._limit != math.inf:
            self._limit = max(self._limit, self._monotonic)

    def set_wall(self, now: float) -> None:
        """Set the wall time, as an operator would; durations feel nothing."""
        self._wall_offset = now - self._monotonic

    def _move_to(self, monotonic: float) -> None:
        self._monotonic = max(self._monotonic, monotonic)

    def _require_loop(self) -> VirtualLoop:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop) or loop.clock is not self:
            raise RuntimeError("a VirtualClock can wait only on its own VirtualLoop (take the fixture `clock`)")
        return loop

    def _wake_settling(self) -> bool:
        """Wake those in `settle`; whether there were any."""
        waiting, self._settling = self._settling, []
        for future in waiting:
            if not future.done():
                future.set_result(None)
        return bool(waiting)

    def _try_jump(self, seconds: float) -> bool:
        """Move by `seconds` unless that passes the limit; then up to the limit, and False."""
        target = self._monotonic + seconds
        if target <= self._limit + ROUNDING:
            self._move_to(target)
            return True
        self._move_to(self._limit)
        return False


class _Timer(asyncio.TimerHandle):
    """A timer that knows when it was set: the heap of asyncio does not keep the order of equal deadlines."""

    __slots__ = ("_order",)

    _order: int
    _scheduled: bool

    def __lt__(self, other: object) -> bool:
        if isinstance(other, _Timer) and self.when() == other.when():
            return self._order < other._order
        return super().__lt__(other)  # type: ignore[operator]  # typeshed: only with TimerHandle, which is all there is


class _Selector(selectors.DefaultSelector):
    """Looks for I/O without waiting; where asyncio would wait for a timer, moves the clock instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if self.loop.jobs:
            return self._wait(IO_PATIENCE)
        # The loop's own wake-up socket is always there.
        has_io = len(self.get_map()) > 1
        if has_io and (found := super().select(IO_GRACE)):
            return found
        clock = self.loop.clock
        if clock._wake_settling() or (timeout is not None and clock._try_jump(timeout)):
            return []
        return self._wait(IO_PATIENCE if has_io else THREAD_PATIENCE)

    def _wait(self, seconds: float) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(seconds)
        if not found:
            waiting = sorted(f"{t.get_name()}: {t.get_coro()}" for t in asyncio.all_tasks(self.loop))
            raise Stalled("nothing can happen any more; waiting are\n" + "\n".join(waiting))
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on the time of `clock`."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.jobs = 0
        self._orders = 0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.clock.monotonic()

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        self._orders += 1
        timer._order = self._orders
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]  # asyncio's own heap
        timer._scheduled = True
        return timer

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.jobs += 1
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: asyncio.Future[Any]) -> None:
        self.jobs -= 1


def run(main: Coroutine[Any, Any, T], clock: VirtualClock | None = None) -> T:
    """Run `main` on virtual time from start to end; for simulations and for tests without the fixture."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(main)
