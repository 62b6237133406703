"""Random lives on virtual time, with bindings that fail: in the end the snapshot is what the API says, and no node has
more than it can take."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from typing import Any

import pytest

from pilothouse.api import errors
from pilothouse.api.types.core.v1 import Node, Pod
from pilothouse.kit.tasks import TaskScope
from pilothouse.scheduler.snapshot import Snapshot
from pilothouse.testing.clock import VirtualClock
from tests.scheduler.build import node, pod
from tests.scheduler.test_runner import Lab


def sums(snapshot: Snapshot) -> dict[str, Counter[str]]:
    """What the columns say of each node."""
    found = {}
    for record in snapshot.records:
        names = [n.removeprefix("requested/") for n in ("requested/cpu", "requested/memory") if n in snapshot.columns]
        held = Counter({n: int(snapshot.columns[f"requested/{n}"][record.row]) for n in names})
        held["pods"] = int(snapshot.columns["pods"][record.row])
        found[record.name] = +held
    return found


async def live(lab: Lab, dice: random.Random) -> None:
    """A few dozen steps of creating, deleting and cordoning."""
    made: list[str] = []
    for step in range(60):
        action = dice.choice(["pod", "pod", "pod", "delete", "wait", "node", "cordon"])
        if action == "pod":
            priority = dice.choice([0, 0, 5])
            with contextlib.suppress(errors.StatusError):
                await lab.create(pod(f"p{step}", cpu=dice.choice(["300m", "1"]), memory="100Mi", priority=priority))
                made.append(f"p{step}")
        elif action == "delete" and made:
            with contextlib.suppress(errors.StatusError):
                await lab.client.delete(Pod, made.pop(dice.randrange(len(made))), "default", grace_period_seconds=0)
        elif action == "wait":
            await lab.settle(dice.random() * 3)
        elif action == "node":
            await lab.create(node(f"n{step}", cpu="2"))
        elif action == "cordon":
            name = dice.choice([n.metadata.name for n in (await lab.client.list(Node)).items])
            with contextlib.suppress(errors.StatusError):
                await lab.client.delete(Node, name)
            await lab.create(node(name, cpu="2", unschedulable=dice.random() < 0.5))


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_lost_or_counted_twice(clock: VirtualClock, seed: int) -> None:
    dice = random.Random(seed)
    async with TaskScope("test") as scope:
        lab = Lab(clock, scope)
        await lab.scheduler.wait_ready()

        def flaky(verb: str, resource: Any, namespace: str, name: str) -> errors.StatusError | None:
            return errors.internal("not now") if name.startswith("p") and dice.random() < 0.2 else None

        await lab.create(node("n", cpu="2"))
        lab.cluster.reactors.append(flaky)
        await live(lab, dice)
        lab.cluster.reactors.clear()
        await lab.settle(700)
        snapshot = lab.scheduler.watching.snapshot
        pods = [p for p in (await lab.client.list(Pod, "default")).items if p.spec.node_name]
        nodes = {n.metadata.name for n in (await lab.client.list(Node)).items}
        wanted: dict[str, Counter[str]] = {name: Counter() for name in nodes}
        for one in pods:
            if one.spec.node_name in nodes:
                requests = lab.scheduler.watching.profiles.info(one).profile.requests
                wanted[one.spec.node_name].update({**requests, "pods": 1})
        assert sums(snapshot) == wanted
        assert all(held["cpu"] <= 2000 for held in wanted.values())
        assert sum(held["pods"] for held in wanted.values()) > 0
        assert not lab.scheduler.watching.assumed
        assert lab.scheduler.watching.queue.counts["flight"] == 0
