"""Runs the steps of a simulated process on a clock."""

from __future__ import annotations

import asyncio

from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated.effects import AwaitInput, AwaitJob, Effect, Job, Sleep, Start, Steps


class Execution:
    """One process with its background jobs, which end with it."""

    def __init__(self, steps: Steps, clock: Clock) -> None:
        self._steps = steps
        self._clock = clock
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
        except StopIteration as end:
            return int(end.value)
        finally:
            steps.close()
        return job.code or 0

    async def _perform(self, effect: Effect, jobs: TaskScope) -> None:
        match effect:
            case Sleep(None):
                await asyncio.Event().wait()
            case Sleep(seconds):
                await self._clock.sleep(seconds or 0.0)
            case AwaitInput(source):
                changed = asyncio.Event()
                source.changed = changed.set
                await changed.wait()
            case AwaitJob(job):
                while job.code is None and not self._signalled:
                    await self._changed.wait()
                self._signalled = False
            case Start(job):
                jobs.spawn(self._job(job, jobs), f"job {job.number}")

    async def _job(self, job: Job, jobs: TaskScope) -> None:
        code = await self._drive(job.steps, jobs, job)
        if job.code is None:
            job.code = code
        self._tell()
