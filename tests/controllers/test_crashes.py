"""Controllers that end between any two of their writes, and start again remembering nothing, come to the same end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from pilothouse.api.types.apps.v1 import Deployment, ReplicaSet, StatefulSet
from pilothouse.api.types.batch.v1 import Job
from pilothouse.api.types.core.v1 import Pod
from pilothouse.machinery.client import TransportError
from pilothouse.testing.clock import VirtualClock
from tests.controllers import test_statefulset as sets
from tests.controllers.tapped import Request, lost
from tests.controllers.test_deployment import deployment
from tests.controllers.test_job import job
from tests.controllers.test_replicas import replica_set
from tests.controllers.world import World, untouched, world

MOST = 40


async def pods_end(w: World, phase: str) -> None:
    for pod in await w.all(Pod):
        if untouched(pod):
            await w.status(pod, phase=phase)


async def three_replicas(w: World) -> None:
    await w.client.create(replica_set(3))
    await w.clock.advance(60)


async def a_deployment(w: World) -> None:
    await w.client.create(deployment(3))
    await w.clock.advance(60)


async def a_job(w: World) -> None:
    await w.client.create(job(completions=3, parallelism=2))
    await w.clock.advance(60)


async def ordered(w: World) -> None:
    await w.client.create(sets.stateful_set(3))
    await w.clock.advance(60)


async def settled(w: World) -> None:
    """What nodes do meanwhile, until nothing changes any more."""
    for _ in range(6):
        if (await w.client.list(Job, "ns")).items:
            await pods_end(w, "Succeeded")
        else:
            await sets.live(w)
        await w.clock.advance(30)


async def outcome(w: World) -> Counter[str]:
    """How many objects of each kind there are, and how far they are."""
    found: Counter[str] = Counter()
    for kind in (Pod, ReplicaSet, Deployment, StatefulSet, Job):
        for obj in (await w.client.list(kind, "ns")).items:
            status = obj.status
            told = {n: getattr(status, n, None) for n in ("phase", "replicas", "ready_replicas", "succeeded")}
            found[f"{kind.__name__} {told}"] += 1
    return found


async def played(
    clock: VirtualClock, begin: Callable[[World], Awaitable[None]], names: tuple[str, ...], end: int, after: bool
) -> tuple[Counter[str], int, int]:
    """The outcome, how many pods were made, and how many writes there were, if the controllers end at write `end`
    (0: never), before or after it was done."""
    async with world(clock, names) as w:
        writes = 0

        def dead(request: Request) -> TransportError | None:
            nonlocal writes
            if request.resource == "events":
                return None
            writes += 1
            return lost(request) if end and (writes > end or (writes == end and not after)) else None

        w.tap.refuse.append(dead)
        await begin(w)
        if end:
            w.tap.refuse.clear()
            await w.restart()
        await settled(w)
        made = sum((r.verb, r.resource) == ("create", "pods") for r in w.tap.made)
        return await outcome(w), made, writes


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("begin", "names"),
    [
        (three_replicas, ("replicaset-controller",)),
        (a_deployment, ("deployment-controller", "replicaset-controller")),
        (a_job, ("job-controller",)),
        (ordered, ("statefulset-controller",)),
    ],
)
async def test_an_end_between_any_two_writes(
    clock: VirtualClock, begin: Callable[[World], Awaitable[None]], names: tuple[str, ...], after: bool
) -> None:
    expected, made, writes = await played(clock, begin, names, 0, after)
    for end in range(1, min(writes, MOST) + 1):
        found = await played(clock, begin, names, end, after)
        assert found[:2] == (expected, made), f"ended at write {end}"
