"""Doing to the runtime and the disk what a pod's machine says. Every action answers with an event."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from pilothouse.api.types.core.v1 import LifecycleHandler, Pod
from pilothouse.kit.tasks import attempt
from pilothouse.kubelet import configs, features
from pilothouse.kubelet.podworker import events, instructions, resizes
from pilothouse.kubelet.podworker.machine import PodMachine
from pilothouse.kubelet.podworker.state import AnySpec, Stage
from pilothouse.kubelet.sync.killing import Killer, Victim
from pilothouse.kubelet.sync.resizing import Resized, ResizeFailed, Resizer
from pilothouse.kubelet.sync.shop import RUNTIME_RETRY, Shop, observe
from pilothouse.kubelet.sync.starting import Order, StartFailed, target_of
from pilothouse.kubelet.volumes import gather
from pilothouse.kubelet.volumes.model import VolumeError
from pilothouse.kubelet.volumes.watches import references
from pilothouse.seams.runtime import Container, ContainerState, RuntimeFailure, Sandbox

log = logging.getLogger(__name__)
UNFORESEEN_RETRY = 1.0


class Actions:
    """The hands of one pod's machine: reads its state, never changes it, tells what came of each action."""

    def __init__(self, machine: PodMachine, shop: Shop, tell: Callable[[events.Event], None]) -> None:
        self._machine = machine
        self._shop = shop
        self._tell = tell
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._killer = Killer(
            shop, self.look, lambda reason, text, name: shop.recorder.pod(self._pod, "Warning", reason, text, name)
        )

    @property
    def _pod(self) -> Pod:
        return self._machine.state.pod

    def do(self, instruction: Any) -> bool:
        """Begin what `instruction` asks for; False if it is not for us. Never waits."""
        if isinstance(instruction, instructions.StartContainer):
            self._starts[instruction.name] = self._spawn(partial(self._start, instruction), instruction)
        elif isinstance(instruction, instructions.ShortenGrace):
            self._killer.shorten(instruction.container_id, instruction.grace_seconds)
        elif isinstance(instruction, instructions.TakeTurn):
            self._killer.take_turn(instruction.container_id)
        elif isinstance(instruction, instructions.AbandonStarts):
            for task in list(self._starts.values()):
                task.cancel()
        elif (work := _WORK.get(type(instruction))) is not None:
            self._spawn(partial(work, self, instruction), instruction)
        else:
            return False
        return True

    def idle(self) -> bool:
        return not self._starts and not self._killer.busy()

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]], instruction: Any) -> asyncio.Task[None]:
        name = f"{type(instruction).__name__}/{self._pod.metadata.name}"
        return self._shop.scope.spawn(self._guarded(work, instruction), name)

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]], instruction: Any) -> None:
        """An action that fails in a way nobody thought of concerns its pod alone, and is answered like any failure."""
        failure = await attempt(work())
        if failure is None:
            return
        log.error("pod %s: %s failed", self._pod.metadata.name, type(instruction).__name__, exc_info=failure)
        await self._shop.clock.sleep(UNFORESEEN_RETRY)
        answer = _FAILURES.get(type(instruction))
        if answer is not None:
            self._tell(answer(instruction, failure))
        else:
            self.do(instruction)

    async def mount_volumes(self, _: instructions.MountVolumes) -> None:
        self._shop.watches.want(self._pod.metadata.uid, set(references(self._pod)))
        try:
            await self.refresh_volumes()
        except VolumeError as error:
            self._tell(events.VolumesFailed(str(error)))
        else:
            self._tell(events.VolumesMounted())

    async def refresh_volumes(self) -> None:
        """Make the volumes, or bring them up to date. Raises VolumeError."""
        await self._shop.place.prepare(self._pod, await gather.shapes(self._pod, self._shop.surroundings))

    async def remove_volumes(self, _: instructions.RemoveVolumes) -> None:
        while True:
            try:
                await self._shop.place.remove(self._pod)
                break
            except VolumeError as error:
                log.warning("pod %s: %s; trying again", self._pod.metadata.name, error)
                await self._shop.clock.sleep(1.0)
        self._tell(events.VolumesRemoved())

    async def start_sandbox(self, wanted: instructions.StartSandbox) -> None:
        runtime = self._shop.runtime
        try:
            handler = await features.handler(self._pod, self._shop.fetch)
            config = configs.sandbox_config(self._pod, self._shop.node, wanted.attempt, handler)
            sandbox_id = await runtime.run_sandbox(config)
            self._shop.created(sandbox_id, self._pod.metadata.uid)
            found = await runtime.sandbox(sandbox_id)
        except (features.Unsupported, RuntimeFailure) as error:
            self._tell(events.SandboxFailed(str(error)))
        else:
            self._tell(events.SandboxStarted(found))

    async def stop_sandbox(self, wanted: instructions.StopSandbox) -> None:
        sandbox_id = wanted.sandbox_id
        await self._insist(lambda: self._shop.runtime.stop_sandbox(sandbox_id))
        for container in [c for c in self._machine.state.containers.values() if c.sandbox_id == sandbox_id]:
            if container.state is not ContainerState.EXITED:
                self._tell(events.ContainerStopped(container.id, await self.look(container.id)))
        self._tell(events.SandboxStopped(sandbox_id))

    async def _insist(self, action: Callable[[], Any]) -> None:
        """Do it until the runtime has done it."""
        while True:
            try:
                await action()
                return
            except RuntimeFailure as error:
                log.warning("pod %s: %s; trying again", self._pod.metadata.name, error)
                await self._shop.clock.sleep(RUNTIME_RETRY)

    async def _start(self, wanted: instructions.StartContainer) -> None:
        state = self._machine.state
        spec, sandbox = state.spec_of(wanted.name), state.sandboxes.get(wanted.sandbox_id)
        made: list[str] = []

        def creating() -> None:
            self._starts.pop(wanted.name, None)

        def created(container_id: str) -> None:
            made.append(container_id)
            self._shop.created(container_id, self._pod.metadata.uid)

        try:
            if spec is None or sandbox is None:
                return self._tell(_never_began(wanted))
            target = state.current(target_of(spec)) if target_of(spec) else None
            order = Order(
                self._pod,
                spec,
                wanted.attempt,
                sandbox,
                self.ips(sandbox),
                target_id=target.id if target else "",
                creating=creating,
                created=created,
            )
            container_id = await self._shop.starter.start(order)
            await self._post_start(order, container_id)
        except StartFailed as failure:
            if made and (left := await self.look(made[0])) is not None:
                self._tell(events.ContainerSeen(left))
            self._tell(failure.event)
        except asyncio.CancelledError:
            if self._machine.stage is not Stage.TERMINATING:
                raise
            left = await self.look(made[0]) if made else None
            self._tell(events.ContainerStarted(left) if left else _never_began(wanted))
        else:
            found = await self.look(container_id)
            if found is None:
                self._tell(_never_began(wanted))
            else:
                self._tell(events.ContainerStarted(found, resizes.granted_to(order.pod.spec, order.container)))
        finally:
            self._starts.pop(wanted.name, None)

    async def _post_start(self, order: Order, container_id: str) -> None:
        """Run its hook, which AbandonStarts may end: one that hangs must not hold up the pod's end. Raises StartFailed,
        when the container has been ended again like any other."""
        name, task = order.container.name, asyncio.current_task()
        if self._machine.stage is Stage.TERMINATING or task is None:
            return
        self._starts[name] = task
        try:
            await self._shop.starter.post_start(order, container_id)
        except StartFailed:
            del self._starts[name]
            ip = order.pod_ips[0] if order.pod_ips else ""
            victim = Victim(container_id, name, order.container, _pre_stop(order.container), ip, in_turn=False)
            await self._killer.kill(victim, self._machine.state.grace())
            raise
        finally:
            self._starts.pop(name, None)

    def ips(self, sandbox: Sandbox | None) -> tuple[str, ...]:
        if self._pod.spec.host_network:
            return (self._shop.node.options.address,)
        return tuple(sandbox.ips) if sandbox else ()

    async def look(self, container_id: str, sandbox_id: str = "") -> Container | None:
        """A container as it stands, in the sandbox we know it is in (its status does not say)."""
        found = await observe(self._shop, container_id)
        if found is None or found.sandbox_id:
            return found
        known = self._machine.state.containers.get(container_id)
        sandbox = self._machine.state.sandbox()
        known_id = known.sandbox_id if known else sandbox.id if sandbox else ""
        return replace(found, sandbox_id=sandbox_id or known_id)

    async def kill_container(self, wanted: instructions.KillContainer) -> None:
        self._shop.recorder.pod(self._pod, "Normal", "Killing", wanted.message, wanted.name)
        state = self._machine.state
        spec, present = state.spec_of(wanted.name), state.containers.get(wanted.container_id)
        running = present is not None and present.state is ContainerState.RUNNING
        hook = _pre_stop(spec) if running and wanted.grace_seconds > 0 else None
        ips = self.ips(state.sandbox())
        victim = Victim(wanted.container_id, wanted.name, spec, hook, ips[0] if ips else "", wanted.in_turn)
        found = await self._killer.kill(victim, wanted.grace_seconds)
        self._tell(events.ContainerStopped(wanted.container_id, found))

    async def resize_pod(self, wanted: instructions.ResizePod) -> None:
        state, pod, shop = self._machine.state, self._pod, self._shop
        specs = {c.name: c for c in (*pod.spec.init_containers, *(pod.spec.containers or ()))}
        running = [state.containers[i] for i in wanted.container_ids if i in state.containers and i in state.held_to]
        found = [Resized(run.id, state.held_to[run.id], specs[run.name]) for run in running if run.name in specs]
        resizer = Resizer(pod, state.cgroup or {}, shop.runtime, shop.place, shop.node)
        try:
            await resizer.run(found, lambda i, resources: self._tell(events.ContainerResized(i, resources)))
        except ResizeFailed as failure:
            log.warning("pod %s is not resized: %s", pod.metadata.name, failure)
            self._tell(events.PodResizeFailed(str(failure)))
        else:
            self._tell(events.PodResized(resizes.resources(pod.spec)))

    async def remove(self, wanted: instructions.RemoveContainer | instructions.RemoveSandbox) -> None:
        if isinstance(wanted, instructions.RemoveSandbox):
            sandbox_id = wanted.sandbox_id
            await self._insist(lambda: self._shop.runtime.remove_sandbox(sandbox_id))
            return
        container_id = wanted.container_id
        await self._insist(lambda: self._shop.runtime.remove_container(container_id))
        if wanted.log_path:
            await self._shop.place.remove_log(wanted.log_path)


def _pre_stop(spec: AnySpec | None) -> LifecycleHandler | None:
    return spec.lifecycle.pre_stop if spec is not None and spec.lifecycle is not None else None


def _never_began(wanted: instructions.StartContainer) -> events.ContainerFailed:
    return events.ContainerFailed(wanted.name, "ContainerCreating", "", 0.0)


_FAILURES: dict[type, Callable[[Any, Exception], events.Event]] = {
    instructions.MountVolumes: lambda _, failure: events.VolumesFailed(str(failure)),
    instructions.ResizePod: lambda _, failure: events.PodResizeFailed(str(failure)),
    instructions.StartSandbox: lambda _, failure: events.SandboxFailed(str(failure)),
    instructions.StartContainer: lambda wanted, failure: events.ContainerFailed(
        wanted.name, "CreateContainerError", str(failure), 10.0
    ),
}
_WORK: dict[type, Callable[[Actions, Any], Coroutine[Any, Any, None]]] = {
    instructions.MountVolumes: Actions.mount_volumes,
    instructions.RemoveVolumes: Actions.remove_volumes,
    instructions.StartSandbox: Actions.start_sandbox,
    instructions.StopSandbox: Actions.stop_sandbox,
    instructions.KillContainer: Actions.kill_container,
    instructions.ResizePod: Actions.resize_pod,
    instructions.RemoveContainer: Actions.remove,
    instructions.RemoveSandbox: Actions.remove,
}
