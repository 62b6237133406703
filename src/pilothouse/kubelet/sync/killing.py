"""Ending containers: each is ended once, however often its end is asked for.

Its preStop hook runs once, a sidecar then waits for its turn, TERM is sent once, and KILL when the time is up. Asking
for less time moves that moment and nothing else: it cuts a hook short, or brings KILL forward. Nothing of it outlives
the node's process: one that is started in the midst of it begins anew, with hook and grace, as upstream's does.
Upstream: kuberuntime's killContainer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pilothouse.api.types.core.v1 import LifecycleHandler
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.sync.shop import RUNTIME_RETRY, Shop
from pilothouse.seams.runtime import Container, ContainerState, RuntimeFailure

T = TypeVar("T")
log = logging.getLogger(__name__)
LONGEST_RETRY = 10.0
"""Seconds between two tries at most while the runtime does not do it (upstream's backOffPeriod)."""
# A container has at least this long between TERM and KILL.
MINIMUM_SECONDS = 2.0


@dataclass(slots=True)
class _End:
    """`deadline` is when KILL is due, on the monotonic clock. `failed`: the runtime has refused once."""

    deadline: float
    failed: bool = False
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Victim:
    """Whom to end. `hook` is its preStop hook, to be run with `ip`; with `in_turn`, it waits for `take_turn` before
    TERM."""

    container_id: str
    name: str
    spec: AnyContainer | None
    hook: LifecycleHandler | None
    ip: str
    in_turn: bool


class Killer:
    """The ends of one pod's containers. `complain` records an event: reason, message, container."""

    def __init__(
        self,
        shop: Shop,
        look: Callable[[str], Awaitable[Container | None]],
        complain: Callable[[str, str, str], None],
    ) -> None:
        self._shop = shop
        self._look = look
        self._complain = complain
        self._ends: dict[str, _End] = {}

    def busy(self) -> bool:
        return bool(self._ends)

    def shorten(self, container_id: str, seconds: float) -> None:
        """KILL is due in `seconds`, if that is sooner than it was."""
        end = self._ends.get(container_id)
        deadline = self._shop.clock.monotonic() + seconds
        if end is not None and deadline < end.deadline:
            end.deadline = deadline
            end.moved.set()

    def take_turn(self, container_id: str) -> None:
        """Those that must end before this container have ended."""
        end = self._ends.get(container_id)
        if end is not None:
            end.turn.set()

    async def kill(self, victim: Victim, seconds: float) -> Container | None:
        """End it within `seconds`; its last state, None if it is gone."""
        clock = self._shop.clock
        end = self._ends[victim.container_id] = _End(clock.monotonic() + seconds)
        try:
            if victim.hook is not None and victim.spec is not None:
                await self._pre_stop(victim, victim.spec, victim.hook, end)
            if victim.in_turn:
                await self._within(end, end.turn.wait())
            while True:
                await self._stop(victim, end)
                found = await self._look(victim.container_id)
                if found is None or found.state is ContainerState.EXITED:
                    return found
                log.warning("container %s runs on after its end; once more", victim.container_id[:13])
                await clock.sleep(RUNTIME_RETRY)
        finally:
            del self._ends[victim.container_id]

    async def _pre_stop(self, victim: Victim, spec: AnyContainer, hook: LifecycleHandler, end: _End) -> None:
        running = self._shop.hooks.run(hook, spec, victim.container_id, victim.ip)
        outcome = await self._within(end, running)
        if outcome is None:
            log.info("preStop of %s took all its time", victim.name)
        elif not outcome.success:
            self._complain("FailedPreStopHook", "PreStopHook failed", victim.name)

    async def _stop(self, victim: Victim, end: _End) -> None:
        end.deadline = max(end.deadline, self._shop.clock.monotonic() + MINIMUM_SECONDS)

        async def politely() -> bool:
            left = max(end.deadline - self._shop.clock.monotonic(), 0.0)
            return await self._insist(victim, end, left)

        # The runtime sends KILL after the time it was given; if that has become less since, another call does.
        if not await self._within(end, politely()):
            await self._insist(victim, end, 0.0)

    async def _insist(self, victim: Victim, end: _End, grace: float) -> bool:
        """Have the runtime stop it, again and again until it does: a runtime that is away comes back. The pod's owner
        is told once."""
        delay = RUNTIME_RETRY
        while True:
            try:
                await self._shop.runtime.stop_container(victim.container_id, grace)
                return True
            except RuntimeFailure as error:
                log.warning("container %s is not stopped: %s; again in %s s", victim.container_id[:13], error, delay)
                if not end.failed:
                    end.failed = True
                    what = f'failed to "KillContainer" for "{victim.name}" with KillContainerError: "{error}"'
                    self._complain("FailedKillPod", f"error killing pod: {what}", "")
                await self._shop.clock.sleep(delay)
                delay = min(2 * delay, LONGEST_RETRY)

    async def _within(self, end: _End, work: Coroutine[Any, Any, T]) -> T | None:
        """What comes of `work`; None, and it is given up, when the time of `end` is up first."""
        task = self._shop.scope.spawn(work, "ending")
        try:
            while not task.done():
                end.moved.clear()
                moved = self._shop.scope.spawn(end.moved.wait(), "moved")
                try:
                    async with self._shop.clock.timeout(max(end.deadline - self._shop.clock.monotonic(), 0.0)):
                        await asyncio.wait({task, moved}, return_when=asyncio.FIRST_COMPLETED)
                except TimeoutError:
                    break
                finally:
                    moved.cancel()
            return task.result() if task.done() else None
        finally:
            task.cancel()
