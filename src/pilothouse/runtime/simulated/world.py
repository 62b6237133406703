"""What a simulated runtime holds: sandboxes and containers as records, time is the clock's."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated import commands, script
from pilothouse.runtime.simulated.streams import SimulatedSession
from pilothouse.seams import runtime as seam
from pilothouse.seams.streams import ExitStatus

SIGKILL_CODE = 137
FIRST_HOST = 2
KIND_ANNOTATION = "pilothouse.io/container-kind"


@dataclass(slots=True)
class Process:
    """A container with what it was made from."""

    shown: seam.Container
    config: seam.ContainerConfig
    behaviour: script.Behaviour
    inside: commands.Inside
    attached: list[SimulatedSession] = field(default_factory=list)
    under_way: asyncio.Task[None] | None = None


class Addresses:
    """Pod addresses of one network, each given out once until it is given back."""

    def __init__(self, cidr: str) -> None:
        network = ipaddress.ip_network(cidr)
        self._hosts: Iterator[str] = (str(network[i]) for i in range(FIRST_HOST, network.num_addresses - 1))
        self._free: list[str] = []

    def take(self) -> str:
        """Raises RuntimeFailure when all are in use. Those never used come first."""
        found = next(self._hosts, None)
        if found is None:
            if not self._free:
                raise seam.RuntimeFailure("no IP addresses available in range set")
            found = self._free.pop(0)
        return found

    def give_back(self, address: str) -> None:
        self._free.append(address)


class World:
    """What the parts of the simulated runtime share."""

    def __init__(self, clock: Clock, chance: Chance, scope: TaskScope, *, logs: bool = True) -> None:
        self.clock = clock
        self.chance = chance
        self.scope = scope
        self.logs = logs
        self.addresses: Addresses | None = None
        self.held: dict[str, tuple[seam.Sandbox, seam.SandboxConfig]] = {}
        self.processes: dict[str, Process] = {}
        self.listeners: list[asyncio.Queue[seam.RuntimeEvent]] = []

    def new_id(self) -> str:
        return hashlib.sha256(self.chance.bytes(16)).hexdigest()

    def end(self, process: Process, code: int, reason: str) -> None:
        if process.shown.state is seam.ContainerState.EXITED:
            return
        if process.under_way is not None:
            process.under_way.cancel()
        process.shown = replace(
            process.shown,
            state=seam.ContainerState.EXITED,
            finished_at=self.clock.now(),
            exit_code=code,
            reason=reason,
        )
        for session in process.attached:
            session.end(ExitStatus(code))
        self.tell(seam.EventType.STOPPED, process.shown.id)

    def process(self, container_id: str) -> Process:
        if container_id not in self.processes:
            raise seam.NotFound(f"container {container_id} not found")
        return self.processes[container_id]

    def tell(self, kind: seam.EventType, about: str) -> None:
        for listener in self.listeners:
            listener.put_nowait(seam.RuntimeEvent(kind, about))

    async def events(self) -> AsyncIterator[seam.RuntimeEvent]:
        queue: asyncio.Queue[seam.RuntimeEvent] = asyncio.Queue()
        self.listeners.append(queue)
        try:
            yield seam.RuntimeEvent(seam.EventType.RELIST)
            while True:
                yield await queue.get()
        finally:
            self.listeners.remove(queue)

    async def sandbox(self, sandbox_id: str) -> seam.Sandbox:
        if sandbox_id not in self.held:
            raise seam.NotFound(f"sandbox {sandbox_id} not found")
        return self.held[sandbox_id][0]
