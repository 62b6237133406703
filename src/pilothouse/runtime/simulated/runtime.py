"""The runtime seam with nothing behind it: sandboxes and containers are records, time is the clock's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated.cgroup import Host
from pilothouse.runtime.simulated.containers import SimulatedContainers
from pilothouse.runtime.simulated.execs import SimulatedExecs
from pilothouse.runtime.simulated.images import SimulatedImages
from pilothouse.runtime.simulated.world import SIGKILL_CODE, Addresses, World
from pilothouse.seams import runtime as seam


class SimulatedSandboxes(World):
    """Sandboxes, and what is asked of a runtime as a whole."""

    async def version(self) -> seam.RuntimeVersion:
        return seam.RuntimeVersion("simulated", "1")

    async def status(self) -> Sequence[seam.RuntimeCondition]:
        networked = self.addresses is not None
        return [seam.RuntimeCondition("RuntimeReady", True), seam.RuntimeCondition("NetworkReady", networked)]

    async def features(self) -> seam.RuntimeFeatures:
        return seam.RuntimeFeatures({"": seam.HandlerFeatures(recursive_read_only=True)}, True)

    async def set_pod_cidr(self, cidr: str) -> None:
        if self.addresses is None:
            self.addresses = Addresses(cidr)

    async def run_sandbox(self, config: seam.SandboxConfig) -> str:
        if self.addresses is None:
            raise seam.RuntimeFailure("cni plugin not initialized")
        shared = config.security.namespaces.network is seam.NamespaceMode.NODE
        sandbox = seam.Sandbox(
            id=self.new_id(),
            name=config.name,
            namespace=config.namespace,
            uid=config.uid,
            attempt=config.attempt,
            state=seam.SandboxState.READY,
            created_at=self.clock.now(),
            labels=config.labels,
            annotations=config.annotations,
            ips=() if shared else (self.addresses.take(),),
        )
        self.held[sandbox.id] = sandbox, config
        return sandbox.id

    async def stop_sandbox(self, sandbox_id: str) -> None:
        held = self.held.get(sandbox_id)
        if held is None or held[0].state is seam.SandboxState.NOT_READY:
            return
        for process in list(self.processes.values()):
            if process.shown.sandbox_id == sandbox_id:
                self.end(process, SIGKILL_CODE, "Error")
        sandbox, config = held
        for address in sandbox.ips:
            if self.addresses is not None:
                self.addresses.give_back(address)
        self.held[sandbox_id] = replace(sandbox, state=seam.SandboxState.NOT_READY, ips=()), config
        self.tell(seam.EventType.STOPPED, sandbox_id)

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self.stop_sandbox(sandbox_id)
        for key in [k for k, p in self.processes.items() if p.shown.sandbox_id == sandbox_id]:
            del self.processes[key]
        self.held.pop(sandbox_id, None)

    async def sandboxes(self) -> Sequence[seam.Sandbox]:
        return [sandbox for sandbox, _ in self.held.values()]


class SimulatedRuntime(SimulatedSandboxes, SimulatedContainers, SimulatedExecs, SimulatedImages):
    """`seams.runtime.Runtime` in memory. With `logs`, containers write into the log file
    they are given. `host` is what it shares with other simulated nodes of this process."""

    def __init__(
        self, clock: Clock, chance: Chance, scope: TaskScope, *, logs: bool = True, host: Host | None = None
    ) -> None:
        World.__init__(self, clock, chance, scope, logs=logs, host=host)
        SimulatedImages.__init__(self)

    async def close(self) -> None:
        """Nothing is held."""
