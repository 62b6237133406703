"""Group commit: writes that come in while a commit is under way make up the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from pilothouse.kit import guard
from pilothouse.store.revision_log import Entry

Pending = tuple[Entry, "asyncio.Future[int]"]


class CommitQueue:
    """Writes in order. `append` makes a batch durable, blocking, in `executor`; `done` hears of each batch before its
    writers do. If `append` raises, that batch and everything that waits behind it (which may build on it) goes to
    `undone`, the latest first, and its writers get the error."""

    def __init__(
        self,
        executor: Executor,
        append: Callable[[Sequence[Entry]], None],
        done: Callable[[Sequence[Entry]], None],
        undone: Callable[[Entry], None],
        limit: int,
    ) -> None:
        self._executor = executor
        self._append = append
        self._done = done
        self._undone = undone
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Pending] = []
        self._committing: list[Pending] = []
        self._due = False
        self._ended = asyncio.Event()

    def submit(self, entry: Entry) -> asyncio.Future[int]:
        """Its revision, once it is durable."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._waiting.append((entry, future))
        if not self._due and not self._committing:
            self._due = True
            self._loop.call_soon(self._begin)
        return future

    async def settled(self, key: str) -> None:
        """Return when no write of `key` is under way."""
        while any(entry.event.key == key for entry, _ in (*self._committing, *self._waiting)):
            await self._commit_end()

    async def drained(self) -> None:
        """Return when nothing is under way."""
        while self._waiting or self._committing:
            await self._commit_end()

    async def _commit_end(self) -> None:
        self._ended.clear()
        await self._ended.wait()

    def _begin(self) -> None:
        self._due = False
        if self._committing or not self._waiting:
            return
        self._committing, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
        entries = [entry for entry, _ in self._committing]
        self._loop.run_in_executor(self._executor, self._append, entries).add_done_callback(self._end)

    def _end(self, job: asyncio.Future[None]) -> None:
        self._ended.set()
        failure = job.exception()
        if failure is not None:
            self._refuse(failure)
            return
        batch, self._committing = self._committing, []
        # What is on disk is acknowledged, whatever those say who are told of it first.
        guard.call("store commit", batch[0][0].event.key, self._done, [entry for entry, _ in batch])
        for entry, future in batch:
            if not future.done():
                future.set_result(entry.event.mod_revision)
        self._begin()

    def _refuse(self, failure: BaseException) -> None:
        failed, self._committing, self._waiting = [*self._committing, *self._waiting], [], []
        for entry, _ in reversed(failed):
            self._undone(entry)
        for _, future in failed:
            if not future.done():
                future.set_exception(failure)
