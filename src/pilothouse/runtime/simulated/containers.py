"""Containers of the simulated runtime, from their making to their end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pilothouse.runtime.simulated import script
from pilothouse.runtime.simulated.cgroup import MEMORY_MAX, Account, Cgroup
from pilothouse.runtime.simulated.effects import Input, Steps, Streams
from pilothouse.runtime.simulated.execution import Execution
from pilothouse.runtime.simulated.files import Files
from pilothouse.runtime.simulated.logs import LogWriter
from pilothouse.runtime.simulated.programs import roster
from pilothouse.runtime.simulated.programs.call import Call, Inside, Unknown
from pilothouse.runtime.simulated.shell.builtins import SIGNALS, signal_name
from pilothouse.runtime.simulated.shell.interpreter import SHELLS, Shell, start_program, start_shell
from pilothouse.runtime.simulated.world import KIND_ANNOTATION, SIGKILL_CODE, Process, World
from pilothouse.seams import runtime as seam


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
        self.processes[shown.id] = self._process(shown, config, sandbox)
        return shown.id

    def _process(self, shown: seam.Container, config: seam.ContainerConfig, sandbox: seam.SandboxConfig) -> Process:
        short = config.annotations.get(KIND_ANNOTATION) == "init"
        now = self.clock.now
        cgroup = Cgroup(self.host, min(config.resources.memory_limit or MEMORY_MAX, MEMORY_MAX))
        cgroup.on_oom = lambda: self._out_of_memory(shown.id)
        inside = Inside(
            sandbox.hostname,
            dict(config.environment),
            now,
            Files(cgroup, now()),
            cgroup,
            Unknown.SUCCEEDS if short else Unknown.RUNS,
            lambda number: self._signalled(shown.id, number),
        )
        stdin = Input(hold=Account(cgroup).add) if config.stdin else Input.of(b"")
        log = LogWriter(shown.log_path, now) if self.logs and shown.log_path else None
        return Process(shown, config, script.behaviour(config.name, sandbox.annotations), inside, stdin, log)

    def _out_of_memory(self, container_id: str) -> None:
        process = self.processes.get(container_id)
        if process is not None:
            self.tell(seam.EventType.OOM, container_id)
            self.end(process, SIGKILL_CODE, "OOMKilled")

    def _signalled(self, container_id: str, number: int) -> None:
        name = next((name for name, one in SIGNALS.items() if one == number), None)
        process = self.processes.get(container_id)
        if process is not None and name is not None:
            # What a process does to its own container is done after this step of it.
            asyncio.get_running_loop().call_soon(self.signal, process, name)

    async def start_container(self, container_id: str) -> None:
        process = self.process(container_id)
        process.shown = replace(process.shown, state=seam.ContainerState.RUNNING, started_at=self.clock.now())
        self.tell(seam.EventType.STARTED, container_id)
        if process.log is not None:
            process.log.open()
        steps = self._steps(process)
        if steps is not None:
            process.execution = Execution(steps, self.clock, process.inside.cgroup)
        if steps is not None or process.behaviour.exit_after is not None:
            process.under_way = self.scope.spawn(self._live(process), f"simulated/{process.shown.name}")

    def _steps(self, process: Process) -> Steps | None:
        """What the container's command does; None for what does nothing but run."""
        command = (*process.config.command, *process.config.args) or ("",)
        call = Call(command[0], command[1:], self._output(process), process.inside.environment, "/", process.inside)
        name = call.name.rpartition("/")[2]
        if name in SHELLS:
            process.shell = Shell(process.inside)
            return start_shell(replace(call, name=name), shell=process.shell)
        if name in roster.PROGRAMS:
            return start_program(call)
        if process.behaviour.log is None:
            process.write("stdout", f"simulated container {process.shown.name} started\n".encode())
        return start_program(call) if process.inside.unknown is Unknown.SUCCEEDS else None

    @staticmethod
    def _output(process: Process) -> Streams:
        """Where the main process writes; nowhere if an annotation says what its log has."""
        if process.behaviour.log is None:
            return Streams(process.stdin, partial(process.write, "stdout"), partial(process.write, "stderr"))
        process.write("stdout", f"{process.behaviour.log}\n".encode())
        return Streams(process.stdin, lambda data: None, lambda data: None)

    async def _live(self, process: Process) -> None:
        """From the start of the main process to its end, which annotations may put elsewhere."""
        code, after = 0, process.behaviour.exit_after
        began = self.clock.monotonic()
        with contextlib.suppress(TimeoutError):
            async with self.clock.timeout(after):
                if process.execution is not None:
                    code = await self.code_of(process.execution, process.shown.name)
        if after is not None:
            await self.clock.sleep(after - (self.clock.monotonic() - began))
        said = process.behaviour
        code = code if said.exit_code is None else said.exit_code
        self.end(process, code, "OOMKilled" if said.oom else "Error" if code else "Completed")

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        process = self.processes.get(container_id)
        if process is None or process.shown.state is not seam.ContainerState.RUNNING:
            return
        self.signal(process, signal_name(process.config.stop_signal) or "TERM")
        with contextlib.suppress(TimeoutError):
            async with self.clock.timeout(grace_seconds):
                await process.ended.wait()
        self.end(process, SIGKILL_CODE, "Error")

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
