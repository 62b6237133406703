"""The runtime seam with nothing behind it: sandboxes and containers are records, time is the clock's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pilothouse.api.time import format_micro_time
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated import commands, script
from pilothouse.runtime.simulated.images import SimulatedImages
from pilothouse.runtime.simulated.streams import EchoStream, SimulatedSession
from pilothouse.runtime.simulated.world import KIND_ANNOTATION, SIGKILL_CODE, Addresses, Process, World
from pilothouse.seams import runtime as seam
from pilothouse.seams.streams import ByteStream, Session

SHORTEST_LAP = 0.5


class SimulatedSandboxes(World):
    """Sandboxes, and what is asked of a runtime as a whole."""

    async def version(self) -> seam.RuntimeVersion:
        return seam.RuntimeVersion("simulated", "1")

    async def status(self) -> Sequence[seam.RuntimeCondition]:
        networked = self.addresses is not None
        return [seam.RuntimeCondition("RuntimeReady", True), seam.RuntimeCondition("NetworkReady", networked)]

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


class SimulatedContainers(World):
    """Containers and their ends."""

    async def create_container(self, sandbox_id: str, config: seam.ContainerConfig, sandbox: seam.SandboxConfig) -> str:
        await self.sandbox(sandbox_id)
        shown = seam.Container(
            id=self.new_id(),
            sandbox_id=sandbox_id,
            name=config.name,
            attempt=config.attempt,
            image=config.user_image,
            image_ref=config.image,
            state=seam.ContainerState.CREATED,
            created_at=self.clock.now(),
            labels=config.labels,
            annotations=config.annotations,
            log_path=str(Path(sandbox.log_directory) / config.log_path) if config.log_path else "",
        )
        short = config.annotations.get(KIND_ANNOTATION) == "init"
        command = (*config.command, *config.args)
        inside = commands.Inside(sandbox.hostname, dict(config.environment), self.clock.now)
        behaviour = script.behaviour(config.name, command, sandbox.annotations, inside, short=short)
        self.processes[shown.id] = Process(shown, config, behaviour, inside)
        return shown.id

    async def start_container(self, container_id: str) -> None:
        process = self.process(container_id)
        now = self.clock.now()
        process.shown = replace(process.shown, state=seam.ContainerState.RUNNING, started_at=now)
        self.tell(seam.EventType.STARTED, container_id)
        if self.logs and process.shown.log_path:
            self._write_log(process, process.behaviour.log, now)
        if process.behaviour.exit_after is not None:
            process.under_way = self.scope.spawn(self._run_out(process), f"simulated/{process.shown.name}")
        elif process.behaviour.loop and self.logs and process.shown.log_path:
            process.under_way = self.scope.spawn(self._go_round(process), f"simulated/{process.shown.name}")

    def _write_log(self, process: Process, text: str, now: float) -> None:
        target = Path(process.shown.log_path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a") as file:
            for line in text.splitlines():
                file.write(f"{format_micro_time(now)} stdout F {line}\n")

    async def _run_out(self, process: Process) -> None:
        await self.clock.sleep(process.behaviour.exit_after or 0.0)
        process.under_way = None
        self.end(process, process.behaviour.exit_code, process.behaviour.reason)

    async def _go_round(self, process: Process) -> None:
        await self.clock.sleep(process.behaviour.begins)
        while (lap := commands.play(process.behaviour.loop, process.inside)) is not None:
            self._write_log(process, lap.output, self.clock.now())
            await self.clock.sleep(max(lap.seconds, SHORTEST_LAP))

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        process = self.processes.get(container_id)
        if process is not None:
            self.end(process, 0, "Completed")

    async def remove_container(self, container_id: str) -> None:
        process = self.processes.pop(container_id, None)
        if process is not None:
            self.end(process, SIGKILL_CODE, "Error")

    async def container(self, container_id: str) -> seam.Container:
        return self.process(container_id).shown

    async def containers(self) -> Sequence[seam.Container]:
        return [process.shown for process in self.processes.values()]

    async def update_resources(self, container_id: str, resources: seam.Resources) -> None:
        process = self.process(container_id)
        process.config = replace(process.config, resources=resources)

    async def reopen_log(self, container_id: str) -> None:
        self.process(container_id)

    async def container_stats(self) -> Sequence[seam.ContainerStats]:
        return [
            seam.ContainerStats(p.shown.id, p.shown.name, p.shown.labels, self.clock.now(), 0, 0, 0, 0, 0)
            for p in self.processes.values()
            if p.shown.state is seam.ContainerState.RUNNING
        ]


class SimulatedStreams(World):
    """Commands and connections."""

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float | None) -> seam.ExecResult:
        return commands.run(command, self._running(container_id).inside)

    def _running(self, container_id: str) -> Process:
        process = self.process(container_id)
        if process.shown.state is not seam.ContainerState.RUNNING:
            raise seam.RuntimeFailure(f"container {container_id} is not running")
        return process

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        return SimulatedSession(list(command), self._running(container_id).inside, stdin=stdin, tty=tty)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Session:
        process = self._running(container_id)
        session = SimulatedSession(None, process.inside, stdin=stdin, tty=tty)
        process.attached.append(session)
        return session

    async def port_forward(self, sandbox_id: str, port: int) -> ByteStream:
        sandbox = await self.sandbox(sandbox_id)
        return EchoStream(sandbox.name)


class SimulatedRuntime(SimulatedSandboxes, SimulatedContainers, SimulatedStreams, SimulatedImages):
    """`seams.runtime.Runtime` in memory. With `logs`, containers write a line into the log file they are given."""

    def __init__(self, clock: Clock, chance: Chance, scope: TaskScope, *, logs: bool = True) -> None:
        World.__init__(self, clock, chance, scope, logs=logs)
        SimulatedImages.__init__(self)

    async def close(self) -> None:
        """Nothing is held."""
