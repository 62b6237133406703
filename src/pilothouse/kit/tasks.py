"""The one door to background work: every task has a name, an owner that ends it, and someone who hears of its death."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)


async def attempt(work: Coroutine[Any, Any, object]) -> Exception | None:
    """Run `work`; answer what it raised instead of raising it. For loops that must outlive the failure of one round,
    and that tell of it: the caller logs or counts what it gets."""
    try:
        await work
    except Exception as failure:  # noqa: BLE001  # the one place, besides the scope, that hears of everything
        return failure
    return None


class TaskScope:
    """Owns tasks: `async with TaskScope("kubelet") as scope`. Leaving the block cancels and awaits all of them, then
    closes what they used (`at_end`).

    A task that ends with an exception is logged with its traceback and given to `on_failure`; by default the first
    failure is raised from the block's end, so that a component never goes on half dead unnoticed.
    """

    def __init__(self, name: str, on_failure: Callable[[str, BaseException], None] | None = None) -> None:
        self.name = name
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None
        self._closing = False
        self._endings: list[tuple[str, Callable[[], Awaitable[object]]]] = []
        self._changed = asyncio.Event()

    @property
    def closing(self) -> bool:
        """Whether the scope is ending or has ended: nothing may be spawned any more."""
        return self._closing

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` in the background until it ends or the scope closes."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self.name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def at_end(self, close: Callable[[], Awaitable[object]], name: str) -> None:
        """Call `close` when all tasks have ended; what was given last is closed first. So nobody meets a closed store
        while it is still at work. A failure counts as that of a task."""
        self._endings.append((name, close))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._changed.set()
        if task.cancelled() or (failure := task.exception()) is None:
            return
        self._note(task.get_name(), failure)

    def _note(self, name: str, failure: BaseException) -> None:
        log.error("task %s failed", name, exc_info=failure)
        if self._on_failure is not None:
            self._on_failure(name, failure)
        elif self._failure is None:
            self._failure = failure

    async def wait_failed(self) -> BaseException:
        """Return the first failure of a task; without `on_failure`, the way a component waits for its own end."""
        while self._failure is None:
            self._changed.clear()
            await self._changed.wait()
        return self._failure

    async def close(self) -> None:
        """Cancel every task, wait until all have ended, and close what they used."""
        self._closing = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        while self._endings:
            name, close = self._endings.pop()
            if (failure := await attempt(_called(close))) is not None:
                self._note(f"{self.name}/{name}", failure)

    async def __aenter__(self) -> TaskScope:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        await self.close()
        if self._failure is not None and error is None:
            raise self._failure


async def _called(work: Callable[[], Awaitable[object]]) -> None:
    await work()
