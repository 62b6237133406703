"""No controller acts on a cache older than its own writes, however late watches are and whatever becomes of answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api import errors
from pilothouse.api.types.batch.v1 import Job
from pilothouse.api.types.core.v1 import Pod
from pilothouse.kit.metrics import Registry
from pilothouse.machinery import metrics
from pilothouse.semantics.pods import is_active
from pilothouse.testing import clock as virtual
from pilothouse.testing.clock import VirtualClock
from tests.controllers.tapped import Request, lost
from tests.controllers.test_job import job
from tests.controllers.test_replicas import replica_set
from tests.controllers.world import World, untouched, world

FAULTS = ("none", "refused", "lost", "late", "500 before", "500 after", "forbidden")


@dataclass
class Weather:
    """What goes wrong: seconds that each next event of a watch takes, and the fate of each next write."""

    lags: list[float] = field(default_factory=list)
    fates: list[str] = field(default_factory=list)
    fate: str = "none"

    def lag(self, kind: type) -> float:
        return self.lags.pop() if self.lags and kind in (Pod, Job) else 0.0

    def calm(self) -> None:
        self.lags.clear()
        self.fates.clear()

    def draw(self, request: Request) -> BaseException | None:
        """Called first of all faults: decides the fate of this write."""
        decided = self.fates.pop() if self.fates and request.resource != "events" else "none"
        self.fate = decided
        if decided == "refused":
            return lost(request)
        if decided == "500 before":
            return errors.internal("the store is gone")
        if decided == "forbidden":
            return errors.forbidden("", request.resource, request.name, "exceeded quota")
        return None

    def blow(self, w: World) -> None:
        def fated(name: str, fault: Callable[[Request], BaseException]) -> Callable[[Request], BaseException | None]:
            return lambda request: fault(request) if self.fate == name and request.resource != "events" else None

        w.tap.lag = self.lag
        w.tap.refuse.append(self.draw)
        w.tap.late.append(fated("late", lost))
        w.tap.lateness = 50.0
        w.tap.lose.append(fated("lost", lost))
        w.tap.lose.append(fated("500 after", lambda request: errors.internal("the store is gone")))


lags = st.lists(st.sampled_from([0.0, 0.5, 7.0, 31.0, 200.0]), max_size=30)
fates = st.lists(st.sampled_from(FAULTS), max_size=20)


def count(w: World, verb: str) -> int:
    """How many pods the controllers have made or deleted."""
    return sum((r.verb, r.resource) == (verb, "pods") for r in w.tap.made)


async def three_replicas(clock: VirtualClock, weather: Weather) -> None:
    """Each pod that is made is needed, so none has ever to be deleted again."""
    async with world(clock, ("replicaset-controller",)) as w:
        weather.blow(w)
        await w.client.create(replica_set(3))
        removed = 0
        for _ in range(2):
            await clock.advance(150)
            while w.tap.under_way:
                # A create that arrives only after its object was deleted again makes it anew; nobody can help that.
                await clock.advance(5)
            for pod in (await w.all(Pod))[:1]:
                await w.client.delete(Pod, pod.metadata.name, "ns", grace_period_seconds=0)
                removed += 1
            assert count(w, "create") <= 3 + removed
        weather.calm()
        await clock.advance(1500)
        assert (count(w, "create"), count(w, "delete")) == (3 + removed, 0)
        assert len(await w.all(Pod)) == 3


async def four_completions(clock: VirtualClock, weather: Weather) -> None:
    async with world(clock, ("job-controller",)) as w:
        weather.blow(w)
        await w.client.create(job(completions=4, parallelism=2))
        for step in range(30):
            if step == 20:
                weather.calm()
            await clock.advance(60)
            assert sum(map(is_active, await w.all(Pod))) <= 2
            assert count(w, "create") <= 4
            for pod in await w.all(Pod):
                if untouched(pod):
                    await w.status(pod, phase="Succeeded")
        found = await w.client.get(Job, "work", "ns")
        assert (found.status.succeeded, count(w, "create")) == (4, 4)
        assert [c.type for c in found.status.conditions] == ["SuccessCriteriaMet", "Complete"]


Scenario = Callable[[VirtualClock, Weather], Awaitable[None]]


def run(scenario: Scenario, weather: Weather) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        await scenario(loop.clock, weather)

    virtual.run(main())


@settings(max_examples=60, deadline=None)
@given(lags, fates)
def test_a_replica_set_of_three_never_makes_more(lags: list[float], fates: list[str]) -> None:
    run(three_replicas, Weather(lags, fates))


@settings(max_examples=60, deadline=None)
@given(lags, fates)
def test_a_job_never_runs_more_than_it_should(lags: list[float], fates: list[str]) -> None:
    run(four_completions, Weather(lags, fates))


@pytest.mark.parametrize("fate", FAULTS)
@pytest.mark.parametrize("scenario", [three_replicas, four_completions])
async def test_each_fault(clock: VirtualClock, scenario: Scenario, fate: str) -> None:
    await scenario(clock, Weather([60.0] * 6, [fate, "none"] * 8))


async def test_rounds_are_put_off_for_as_long_as_it_takes_and_counted(clock: VirtualClock) -> None:
    async with world(clock, ("replicaset-controller",)) as w:
        controller = w.controllers["replicaset-controller"]
        await w.client.create(replica_set(3))
        await w.rest()
        w.tap.lag = lambda kind: 600.0 if kind is Pod else 0.0
        for pod in await w.all(Pod):
            await w.client.delete(Pod, pod.metadata.name, "ns", grace_period_seconds=0)
        await clock.advance(900)
        before = controller.skipped
        controller.queue.add(("ns", "web"))
        await clock.advance(300)
        assert controller.skipped > before
        registry = Registry()
        metrics.expose(registry, [controller])
        assert f"\nreplicaset_controller_stale_sync_skips_total {controller.skipped}" in registry.text()
        assert len(await w.all(Pod)) <= 3
        w.tap.lag = lambda kind: 0.0
        await clock.advance(1200)
        assert len(await w.all(Pod)) == 3
