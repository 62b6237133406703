"""Commands and connections into simulated containers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pilothouse.runtime.simulated.cgroup import PIDS_MAX, Account, NoProcess
from pilothouse.runtime.simulated.effects import Input, Steps, Streams
from pilothouse.runtime.simulated.execution import Execution, Room, at_once
from pilothouse.runtime.simulated.programs.call import Call, Unknown
from pilothouse.runtime.simulated.shell.interpreter import start_program
from pilothouse.runtime.simulated.streams import EchoStream, SimulatedSession
from pilothouse.runtime.simulated.world import SIGKILL_CODE, Process, World
from pilothouse.seams import runtime as seam
from pilothouse.seams.streams import ByteStream, ExitStatus, Session

LARGEST_OUTPUT = 1 << 20
CANNOT_RUN = 126


class SimulatedExecs(World):
    """Commands and connections."""

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float | None) -> seam.ExecResult:
        process = self._running(container_id)
        cgroup = process.inside.cgroup
        code = SIGKILL_CODE

        async def run() -> None:
            nonlocal code
            code = await self.code_of(execution, process.shown.name)

        with cgroup.collecting(LARGEST_OUTPUT) as (out, write), cgroup.collecting(LARGEST_OUTPUT) as (error, complain):
            execution = self._execution(process, command, Streams(Input.of(b""), write, complain))
            running = self.scope.spawn(run(), "simulated exec")
            running.add_done_callback(process.commands.discard)
            process.commands.add(running)
            try:
                async with self.clock.timeout(timeout):
                    await asyncio.wait((running,))
            except TimeoutError:
                raise seam.DeadlineExceeded(f"command {list(command)} timed out") from None
            finally:
                running.cancel()
            return seam.ExecResult(bytes(out), bytes(error), code)

    def _execution(self, process: Process, command: Sequence[str], streams: Streams, room: Room = at_once) -> Execution:
        inside = replace(process.inside, unknown=Unknown.BY_PATH)
        words = tuple(command) or ("true",)
        call = Call(words[0], words[1:], streams, inside.environment, "/", inside)
        return Execution(self._forked(call), self.clock, inside.cgroup, room)

    @staticmethod
    def _forked(call: Call) -> Steps:
        """A process beside the main one."""
        try:
            with call.inside.cgroup.process(0):
                return (yield from start_program(call))
        except NoProcess as failure:
            call.streams.stderr(f"{failure}\n".encode())
            return CANNOT_RUN

    def _running(self, container_id: str) -> Process:
        process = self.process(container_id)
        if process.shown.state is not seam.ContainerState.RUNNING:
            raise seam.RuntimeFailure(f"container {container_id} is not running")
        return process

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        process = self._running(container_id)
        cgroup = process.inside.cgroup
        if cgroup.processes >= PIDS_MAX:
            raise seam.RuntimeFailure("failed to start exec: can't fork: Resource temporarily unavailable")
        account = Account(cgroup)
        source = Input(hold=account.add) if stdin else Input.of(b"")
        session = SimulatedSession(source, account, stdin=stdin, tty=tty)
        output, error = partial(session.show, "stdout"), partial(session.show, "stderr")
        execution = self._execution(process, command, Streams(source, output, error), session.room)

        async def run() -> None:
            session.end(ExitStatus(await self.code_of(execution, process.shown.name)))

        running = self.scope.spawn(run(), "simulated exec")
        process.commands.add(running)

        def over(task: asyncio.Task[None]) -> None:
            process.commands.discard(task)
            session.end(ExitStatus(SIGKILL_CODE))

        running.add_done_callback(over)
        session.on_end(running.cancel)
        return session

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Session:
        process = self._running(container_id)
        account = Account(process.inside.cgroup)
        session = SimulatedSession(process.stdin, account, stdin=stdin, tty=tty, ends_input=process.config.stdin_once)
        process.attached.append(session)
        session.on_end(lambda: process.attached.remove(session))
        return session

    async def port_forward(self, sandbox_id: str, port: int) -> ByteStream:
        sandbox = await self.sandbox(sandbox_id)
        return EchoStream(sandbox.name)
