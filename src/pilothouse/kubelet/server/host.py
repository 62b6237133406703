"""What the server asks of the kubelet, and how it refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pilothouse.api.types.core.v1 import Pod
from pilothouse.kit.metrics import Registry
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.podworker.state import AnySpec, PodState
from pilothouse.kubelet.stats.model import Summary
from pilothouse.seams.runtime import Container, ContainerState, Runtime


class Refused(Exception):
    """The request cannot be served; the text is the whole answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class HeldPod:
    """A pod of this node: its object with the status last written, and what its worker knows."""

    pod: Pod
    state: PodState

    def containers(self) -> Sequence[Container]:
        return list(self.state.containers.values())

    def sandbox_id(self) -> str:
        """The present sandbox's id; "" without one."""
        sandbox = self.state.sandbox()
        return "" if sandbox is None else sandbox.id


class Host(Protocol):
    """The kubelet as its server sees it."""

    @property
    def runtime(self) -> Runtime: ...

    @property
    def node_name(self) -> str: ...

    @property
    def options(self) -> NodeOptions: ...

    @property
    def probe_metrics(self) -> Registry:
        """What probes said so far."""
        ...

    async def usage(self) -> Summary:
        """What the node, its pods and containers use."""
        ...

    @property
    def log_root(self) -> Path | None:
        """The node's /var/log; None if it has none."""
        ...

    def held(self) -> Sequence[HeldPod]:
        """Every pod of this node."""
        ...

    def terminations(self) -> Mapping[tuple[str, ...], float]:
        """How many containers have ended since the kubelet's start, by (kind of container, exit code, reason)."""
        ...

    def find(self, namespace: str, name: str) -> HeldPod | None: ...


def pod_of(host: Host, namespace: str, name: str, missing: str = "pod does not exist") -> HeldPod:
    """Raises Refused."""
    found = host.find(namespace, name)
    if found is None:
        raise Refused(404, missing)
    return found


def running(held: HeldPod, name: str) -> Container:
    """The container `name`, running. Raises Refused with the text that users see."""
    latest = held.state.latest(name)
    if latest is None or latest.state is not ContainerState.RUNNING:
        raise Refused(500, f'container not found ("{name}")')
    return latest


def logged(held: HeldPod, name: str, previous: bool) -> Container:
    """The run of container `name` whose log is meant. Raises Refused with upstream's reasons."""
    pod = held.pod
    if not any(c.name == name for c in _specs(pod)):
        raise Refused(404, f'container "{name}" not found in pod "{pod.metadata.name}"')
    runs = [run for run in held.state.runs(name) if run.state is not ContainerState.CREATED]
    if previous:
        ended = [run for run in runs[:-1] if run.state is ContainerState.EXITED]
        latest = held.state.latest(name)
        if runs and latest is not None and latest.state is ContainerState.CREATED:
            ended = [run for run in runs if run.state is ContainerState.EXITED]
        if not ended:
            raise Refused(400, f'previous terminated container "{name}" in pod "{pod.metadata.name}" not found')
        return ended[-1]
    if runs:
        return runs[-1]
    raise Refused(400, f'container "{name}" in pod "{pod.metadata.name}" is {_waiting(held, name)}')


def _waiting(held: HeldPod, name: str) -> str:
    waiting = held.state.waiting.get(name)
    reason = waiting.reason if waiting is not None else "ContainerCreating"
    if reason == "ErrImagePull":
        return "waiting to start: image can't be pulled"
    if reason == "ImagePullBackOff":
        return "waiting to start: trying and failing to pull image"
    return f"waiting to start: {reason}"


def _specs(pod: Pod) -> Sequence[AnySpec]:
    spec = pod.spec
    return (*(spec.containers or ()), *(spec.init_containers or ()), *(spec.ephemeral_containers or ()))
