"""Runs the steps of a simulated process on a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated.cgroup import Cgroup, OutOfMemory
from pilothouse.runtime.simulated.effects import AwaitInput, AwaitJob, Effect, Job, Sleep, Start, Steps, Throttle

Room = Callable[[], Awaitable[None]]


async def at_once() -> None:
    """There is room always."""


class Execution:
    """One process with its background jobs, which end with it."""

    def __init__(self, steps: Steps, clock: Clock, cgroup: Cgroup, room: Room = at_once) -> None:
        """`room` returns when what reads its output has room for more."""
        self._steps = steps
        self._clock = clock
        self._cgroup = cgroup
        self._room = room
        self._changed = asyncio.Event()
        self._signalled = False

    async def run(self) -> int:
        """The exit code, when it has ended."""
        async with TaskScope("simulated process") as jobs:
            return await self._drive(self._steps, jobs, None)

    def wake(self) -> None:
        """A signal with a trap has come: who waits for a job is to look."""
        self._signalled = True
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _drive(self, steps: Steps, jobs: TaskScope, job: Job | None) -> int:
        try:
            while job is None or job.code is None:
                await self._perform(steps.send(None), jobs)
                await self._room()
        except StopIteration as end:
            return int(end.value)
        finally:
            steps.close()
        return job.code or 0

    async def _perform(self, effect: Effect, jobs: TaskScope) -> None:
        match effect:
            case Throttle():
                await self._cgroup.throttle()
            case Sleep(None):
                await asyncio.Event().wait()
            case Sleep(seconds):
                await self._clock.sleep(seconds or 0.0)
            case AwaitInput(source):
                changed = asyncio.Event()
                source.changed, source.awaited = changed.set, True
                source.drained()
                await changed.wait()
                source.awaited = False
            case AwaitJob(job):
                while job.code is None and not self._signalled:
                    await self._changed.wait()
                self._signalled = False
            case Start(job):
                job.stop = jobs.spawn(self._job(job, jobs), f"job {job.number}").cancel

    async def _job(self, job: Job, jobs: TaskScope) -> None:
        try:
            code = await self._drive(job.steps, jobs, job)
            job.code = code if job.code is None else job.code
        except OutOfMemory:
            return  # the container ends, and this with it
        finally:
            self._tell()
