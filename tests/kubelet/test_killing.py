"""Ending a container in time: its hook once, TERM once, KILL when the time is up, and what less time changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import LifecycleHandler
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.hooks import Hooks
from pilothouse.kubelet.sync.killing import Killer, Victim
from pilothouse.seams.runtime import Container, RuntimeFailure
from pilothouse.testing.clock import VirtualClock
from tests.kubelet.actions import Succeeding
from tests.kubelet.pods import ended, pod, run


@dataclass
class OneContainer:
    """A runtime with a container that ends `obeys` seconds after TERM, or never; `sent` says what came, and when."""

    clock: VirtualClock
    obeys: float | None
    failures: int = 0
    sent: list[tuple[str, float]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._begun = self.clock.monotonic()

    def note(self, what: str) -> None:
        self.sent.append((what, round(self.clock.monotonic() - self._begun, 3)))

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeFailure("busy")
        if grace_seconds > 0:
            self.note("TERM")
            try:
                async with self.clock.timeout(grace_seconds):
                    if self.obeys is None:
                        await self.over.wait()
                    await self.clock.sleep(self.obeys or 0.0)
                self.over.set()
                return
            except TimeoutError:
                pass
        if not self.over.is_set():
            self.note("KILL")
        self.over.set()

    async def look(self, container_id: str) -> Container:
        return ended() if self.over.is_set() else run()


@asynccontextmanager
async def killer(one: OneContainer) -> AsyncIterator[Killer]:
    async with TaskScope("test") as scope:
        shop: Any = SimpleNamespace(clock=one.clock, scope=scope, runtime=one, hooks=Hooks(Succeeding(), one.clock))
        yield Killer(shop, one.look, lambda reason, message, name: one.note(reason))


def victim(sleep: int = 0, *, in_turn: bool = False) -> Victim:
    hook = from_builtins({"sleep": {"seconds": sleep}}, LifecycleHandler) if sleep else None
    return Victim("c-0", "c", (pod().spec.containers or ())[0], hook, "", in_turn)


@pytest.mark.parametrize(
    ("grace", "hook", "obeys", "shortened", "sent"),
    [
        (30, 0, 1.0, (), [("TERM", 0)]),
        (30, 0, None, (), [("TERM", 0), ("KILL", 30)]),
        (30, 5, None, (), [("TERM", 5), ("KILL", 30)]),
        (30, 100, None, (), [("TERM", 30), ("KILL", 32)]),
        (0, 5, None, (), [("TERM", 0), ("KILL", 2)]),
        # Less time while the hook runs cuts the hook; while the container ends, it brings KILL forward.
        (30, 20, None, ((4, 3),), [("TERM", 7), ("KILL", 9)]),
        (30, 20, None, ((4, 20),), [("TERM", 20), ("KILL", 24)]),
        (30, 5, None, ((10, 4), (12, 1)), [("TERM", 5), ("KILL", 13)]),
        (30, 0, None, ((1, 40), (2, 35)), [("TERM", 0), ("KILL", 30)]),
        (30, 0, 5.0, ((1, 20),), [("TERM", 0)]),
    ],
)
async def test_hook_then_term_then_kill(
    clock: VirtualClock,
    grace: int,
    hook: int,
    obeys: float | None,
    shortened: Sequence[tuple[int, int]],
    sent: list[tuple[str, float]],
) -> None:
    one = OneContainer(clock, obeys)
    async with killer(one) as hand, TaskScope("shorten") as scope:

        async def shorten(at: int, seconds: int) -> None:
            await clock.sleep(at)
            hand.shorten("c-0", seconds)

        for at, seconds in shortened:
            scope.spawn(shorten(at, seconds), "shorten")
        found = await hand.kill(victim(hook), grace)
        assert found == ended()
        assert one.sent == sent
        assert not hand.busy()


@pytest.mark.parametrize(
    ("turn_at", "hook", "sent"),
    [
        (3, 8, [("TERM", 8), ("KILL", 20)]),
        (12, 8, [("TERM", 12), ("KILL", 20)]),
        (None, 0, [("TERM", 20), ("KILL", 22)]),
    ],
)
async def test_a_sidecars_hook_runs_at_once_and_then_it_waits_for_its_turn(
    clock: VirtualClock, turn_at: int | None, hook: int, sent: list[tuple[str, float]]
) -> None:
    one = OneContainer(clock, None)
    async with killer(one) as hand, TaskScope("turn") as scope:

        async def give() -> None:
            if turn_at is not None:
                await clock.sleep(turn_at)
                hand.take_turn("c-0")

        scope.spawn(give(), "turn")
        await hand.kill(victim(hook, in_turn=True), 20)
        assert one.sent == sent


async def test_a_runtime_that_refuses_is_asked_again(clock: VirtualClock) -> None:
    one = OneContainer(clock, None, failures=3)
    async with killer(one) as hand:
        await hand.kill(victim(), 10)
        assert one.sent == [("FailedKillPod", 0), ("TERM", 3.5), ("KILL", 10)]


async def test_a_runtime_that_is_away_for_long_is_asked_less_often_and_its_return_noticed(clock: VirtualClock) -> None:
    """0.5, 1, 2, 4 and 8 seconds, then every ten: an hour is some 360 tries, and the pod's owner is told once."""
    one = OneContainer(clock, None, failures=360)
    async with killer(one) as hand:
        await hand.kill(victim(), 30)
        assert [what for what, _ in one.sent] == ["FailedKillPod", "KILL"]
        assert 3500 < one.sent[-1][1] < 3700


async def test_less_time_for_a_container_that_is_not_being_killed_is_nothing(clock: VirtualClock) -> None:
    async with killer(OneContainer(clock, 1.0)) as hand:
        hand.shorten("other", 1)
        hand.take_turn("other")
        assert not hand.busy()
