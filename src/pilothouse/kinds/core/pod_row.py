"""A pod in one row of a Table: what its containers' states amount to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.api.types.core.v1 import ContainerStateTerminated, ContainerStatus, Pod
from pilothouse.api.types.meta.v1 import TableRowCondition
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.strategy import Cell

_FINISHED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


@dataclass
class _Sum:
    """What is gathered over the containers."""

    reason: str
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""

    def count(self, status: ContainerStatus) -> None:
        self.restarts += status.restart_count
        before = status.last_state.terminated
        if before is not None and (before.finished_at or "") > self.last_restart:
            self.last_restart = before.finished_at or ""


def _why(ended: ContainerStateTerminated) -> str:
    if ended.reason:
        return ended.reason
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"


def _is_true(pod: Pod, kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in pod.status.conditions)


def _initializing(pod: Pod, total: _Sum, sidecars: _Sum, names: frozenset[str]) -> bool:
    """Go through the init containers until one is not done; whether there was one."""
    for index, status in enumerate(pod.status.init_container_statuses):
        sidecar = status.name in names
        total.count(status)
        if sidecar:
            sidecars.count(status)
        ended, waiting = status.state.terminated, status.state.waiting
        if ended is not None and ended.exit_code == 0:
            continue
        if sidecar and status.started:
            total.ready += status.ready
            continue
        if ended is not None:
            total.reason = f"Init:{_why(ended)}"
        elif waiting is not None and waiting.reason and waiting.reason != "PodInitializing":
            total.reason = f"Init:{waiting.reason}"
        else:
            total.reason = f"Init:{index}/{len(pod.spec.init_containers)}"
        return True
    return False


def _running(pod: Pod, total: _Sum) -> None:
    """The main containers, the last one first: its state is told."""
    running = False
    for status in reversed(pod.status.container_statuses):
        total.count(status)
        state = status.state
        if state.waiting is not None and state.waiting.reason:
            total.reason = state.waiting.reason
        elif state.terminated is not None:
            total.reason = _why(state.terminated)
        elif status.ready and state.running is not None:
            running = True
            total.ready += 1
    if total.reason == "Completed" and running:
        total.reason = "Running" if _is_true(pod, "Ready") else "NotReady"


def _summed(pod: Pod) -> _Sum:
    status = pod.status
    total = _Sum(status.reason or status.phase)
    if any(c.type == "PodScheduled" and c.reason == "SchedulingGated" for c in status.conditions):
        total.reason = "SchedulingGated"
    sidecars = _Sum("")
    names = frozenset(c.name for c in pod.spec.init_containers if c.restart_policy == "Always")
    if not _initializing(pod, total, sidecars, names) or _is_true(pod, "Initialized"):
        total.restarts, total.last_restart = sidecars.restarts, sidecars.last_restart
        _running(pod, total)
    if pod.metadata.deletion_timestamp is not None:
        if status.reason == "NodeLost":
            total.reason = "Unknown"
        elif status.phase not in _FINISHED:
            total.reason = "Terminating"
    return total


def row(pod: Pod, now: float) -> Sequence[Cell]:
    total = _summed(pod)
    restarts = str(total.restarts)
    if total.restarts and total.last_restart:
        restarts += f" ({age(total.last_restart, now)} ago)"
    count = len(pod.spec.containers or ()) + sum(c.restart_policy == "Always" for c in pod.spec.init_containers)
    gates = [gate.condition_type for gate in pod.spec.readiness_gates]
    passed = sum(_is_true(pod, gate) for gate in gates)
    address = pod.status.pod_ips[0].ip if pod.status.pod_ips else pod.status.pod_ip
    return (
        pod.metadata.name,
        f"{total.ready}/{count}",
        total.reason,
        restarts,
        age(pod.metadata.creation_timestamp, now),
        address or NONE,
        pod.spec.node_name or NONE,
        pod.status.nominated_node_name or NONE,
        f"{passed}/{len(gates)}" if gates else NONE,
    )


def conditions(pod: Pod) -> Sequence[TableRowCondition]:
    """kubectl leaves finished pods out where it is asked for those that run."""
    message = _FINISHED.get(pod.status.phase)
    if message is None:
        return ()
    return (TableRowCondition(type="Completed", status="True", reason=pod.status.phase, message=message),)
