"""Carrying out a resize in place: the pod's own cgroup and its running containers, memory first, then the processor.

What grows, grows from the pod inwards, and what shrinks, from the containers outwards: no container is ever to have
more than its pod, which the kernel would refuse. Upstream: kuberuntime's doPodResizeAction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from pilothouse.api.types.core.v1 import Container as ContainerSpec
from pilothouse.api.types.core.v1 import Pod, ResourceRequirements
from pilothouse.kubelet.configs import NodeView
from pilothouse.kubelet.podworker import resizes
from pilothouse.kubelet.resources import container_resources, pod_resources
from pilothouse.kubelet.sync.place import HoldFailed, Place
from pilothouse.seams.runtime import ContainerRuntime, Resources, RuntimeFailure

CPU, MEMORY = "cpu", "memory"


class ResizeFailed(Exception):
    """The text is the condition's."""


@dataclass(frozen=True, slots=True)
class Resized:
    """A running container, what it is held to, and its part of the spec that was granted."""

    container_id: str
    held: ResourceRequirements
    spec: ContainerSpec


class Resizer:
    """Resizes one pod to what its spec says. `cgroup` is what its own cgroup is held to; `applied` is told what a
    container is held to after each step."""

    def __init__(
        self,
        pod: Pod,
        cgroup: Mapping[str, ResourceRequirements],
        runtime: ContainerRuntime,
        place: Place,
        node: NodeView,
    ) -> None:
        self._pod = pod
        self._runtime = runtime
        self._place = place
        self._node = node
        self._before = pod_resources(resizes.with_resources(pod, cgroup))
        self._after = pod_resources(pod)

    async def run(self, containers: Sequence[Resized], applied: Callable[[str, ResourceRequirements], None]) -> None:
        """Raises ResizeFailed; what was done before that stays."""
        await self._verify_use(containers)
        held = {one.container_id: one.held for one in containers}
        for name in (MEMORY, CPU):
            before, after = _limit(self._before, name), _limit(self._after, name)
            try:
                if after > before:
                    await self._place.hold(self._pod, name)
                for one in containers:
                    granted = resizes.granted_to(self._pod.spec, one.spec)
                    if name in resizes.changes(one.held, granted):
                        held[one.container_id] = resizes.mixed(held[one.container_id], granted, name)
                        await self._update(one, held[one.container_id])
                        applied(one.container_id, held[one.container_id])
                if after <= before and _part(self._before, name) != _part(self._after, name):
                    await self._place.hold(self._pod, name)
            except (RuntimeFailure, HoldFailed) as error:
                raise ResizeFailed(str(error)) from None

    async def _update(self, one: Resized, resources: ResourceRequirements) -> None:
        spec = msgspec.structs.replace(one.spec, resources=resources)
        # The limits that it has from the pod are in `resources` already, as they are to be now.
        alone = msgspec.structs.replace(self._pod, spec=msgspec.structs.replace(self._pod.spec, resources=None))
        wanted = container_resources(alone, spec, self._node.capacity, unified=self._node.unified_cgroups)
        await self._runtime.update_resources(one.container_id, wanted)

    async def _verify_use(self, containers: Sequence[Resized]) -> None:
        """No limit may become less than what is in use: the kernel would end processes, or refuse."""
        problems = []
        limit = self._after.memory_limit
        if limit and limit < _limit(self._before, MEMORY):
            used = await self._place.memory_used(self._pod)
            if used is not None and used >= limit:
                problems.append(f"attempting to set pod memory limit ({limit}) below current usage ({used})")
        for one in containers:
            less = _lessened(one.held, resizes.granted_to(self._pod.spec, one.spec))
            if less is None:
                continue
            used = await self._place.memory_used(self._pod, one.container_id)
            if used is not None and used >= less:
                problems.append(
                    f'attempting to set container "{one.spec.name}" memory limit ({less}) below current usage ({used})'
                )
        if problems:
            told = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
            raise ResizeFailed(f"cannot decrease memory limits: {told}")


def _lessened(held: ResourceRequirements, granted: ResourceRequirements) -> int | None:
    """The new limit of memory in bytes, if it is less than the old one."""
    new, old = granted.limits.get(MEMORY), held.limits.get(MEMORY)
    if new is None or (old is not None and old.integer() <= new.integer()):
        return None
    return new.integer()


def _limit(resources: Resources, name: str) -> float:
    amount = resources.memory_limit if name == MEMORY else resources.cpu_quota
    return amount or float("inf")


def _part(resources: Resources, name: str) -> tuple[int, ...]:
    return (resources.memory_limit,) if name == MEMORY else (resources.cpu_quota, resources.cpu_shares)
