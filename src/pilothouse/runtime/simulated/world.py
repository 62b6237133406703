"""What a simulated runtime holds: sandboxes and containers as records, time is the clock's."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope, attempt
from pilothouse.runtime.simulated import script
from pilothouse.runtime.simulated.cgroup import Host, OutOfMemory
from pilothouse.runtime.simulated.effects import Input
from pilothouse.runtime.simulated.execution import Execution
from pilothouse.runtime.simulated.logs import LogWriter
from pilothouse.runtime.simulated.programs.call import Inside
from pilothouse.runtime.simulated.shell.builtins import SIGNALS
from pilothouse.runtime.simulated.shell.interpreter import Shell
from pilothouse.runtime.simulated.streams import SimulatedSession
from pilothouse.seams import runtime as seam
from pilothouse.seams.streams import ExitStatus

log = logging.getLogger(__name__)

SIGKILL_CODE, CRASHED_CODE = 137, 139
FIRST_HOST = 2
# What a process that has no trap for it takes no notice of.
HARMLESS = frozenset(("CHLD", "CONT", "STOP", "WINCH"))
# Microseconds for writing to a log.
_WRITTEN = 60.0
KIND_ANNOTATION = "pilothouse.io/container-kind"


@dataclass(slots=True)
class Process:
    """A container with what it was made from. `shell` is there if its command is one, `execution` while it does
    anything."""

    shown: seam.Container
    config: seam.ContainerConfig
    behaviour: script.Behaviour
    inside: Inside
    stdin: Input
    log: LogWriter | None = None
    shell: Shell | None = None
    execution: Execution | None = None
    commands: set[asyncio.Task[None]] = field(default_factory=set)
    attached: list[SimulatedSession] = field(default_factory=list)
    under_way: asyncio.Task[None] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, stream: str, data: bytes) -> None:
        """Output of the main process: to its log, and to whoever is attached."""
        self.inside.cgroup.work(_WRITTEN)
        if self.log is not None:
            self.log.write(stream, data)
        for session in self.attached:
            session.show(stream, data)


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

    def __init__(
        self, clock: Clock, chance: Chance, scope: TaskScope, *, logs: bool = True, host: Host | None = None
    ) -> None:
        self.host = host or Host(clock)
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
        """The container's main process is over, and all others with it."""
        if process.shown.state is seam.ContainerState.EXITED:
            return
        if process.under_way is not None and process.under_way is not asyncio.current_task():
            process.under_way.cancel()
        if process.log is not None:
            process.log.close()
        process.shown = replace(
            process.shown,
            state=seam.ContainerState.EXITED,
            finished_at=self.clock.now(),
            exit_code=code,
            reason=reason,
        )
        for session in list(process.attached):
            session.end(ExitStatus(code))
        for command in list(process.commands):
            command.cancel()
        process.inside.cgroup.close()
        process.inside.files.clear()
        process.shell = process.execution = None
        process.ended.set()
        self.tell(seam.EventType.STOPPED, process.shown.id)

    async def code_of(self, execution: Execution, name: str) -> int:
        """The exit code of a process. A fault of the small shell's own ends that process alone."""
        codes: list[int] = []

        async def run() -> None:
            codes.append(await execution.run())

        failure = await attempt(run())
        if isinstance(failure, OutOfMemory):
            return SIGKILL_CODE
        if failure is not None:
            log.error("a command of simulated container %s failed", name, exc_info=failure)
        return codes[0] if codes else CRASHED_CODE

    def signal(self, process: Process, name: str) -> None:
        """Send a signal such as `TERM` to the main process: its shell may have a trap for it; all other programs end
        of it. (A real kernel keeps from the first process of a container what it does not handle; here nobody waits
        for the kill.)"""
        if process.shown.state is not seam.ContainerState.RUNNING or name in HARMLESS:
            return
        if name != "KILL" and process.shell is not None and process.shell.signal(name):
            if process.execution is not None:
                process.execution.wake()
            return
        code = 128 + SIGNALS[name]
        if name != "KILL" and process.behaviour.exit_code is not None:
            code = process.behaviour.exit_code
        self.end(process, code, "Error" if code else "Completed")

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
