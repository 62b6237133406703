"""The phase of a pod, from its containers' statuses. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core.v1 import Container, ContainerStatus, PodSpec
from pilothouse.kubelet.podworker.restarts import is_sidecar, restarts
from pilothouse.kubelet.podworker.state import PodState, Stage
from pilothouse.kubelet.podworker.syncing import FINAL


def phase(state: PodState, init: Sequence[ContainerStatus], regular: Sequence[ContainerStatus]) -> str:
    """Pending, Running, Succeeded or Failed. A final phase is told only when nothing of the pod runs any more, and
    never taken back."""
    old = state.pod.status.phase
    if old in FINAL:
        return old
    over = state.stage in (Stage.TERMINATED, Stage.DELETING)
    wanted = "Failed" if state.verdict is not None else _wanted(state, init, regular, over=over)
    if wanted in FINAL and (state.running() or state.starting) and not over:
        return old or "Pending"
    return wanted


def _wanted(state: PodState, init: Sequence[ContainerStatus], regular: Sequence[ContainerStatus], *, over: bool) -> str:
    spec = state.spec
    if _initializing(state, init, regular):
        if any(_failed(s, c, spec) for s, c in zip(init, spec.init_containers, strict=False)):
            return "Failed"
        return "Failed" if over else "Pending"
    stopped = [s for s in regular if s.state.terminated or (s.state.waiting and s.last_state.terminated)]
    waiting = [s for s in regular if s.state.waiting and not s.last_state.terminated]
    running = [s for s in regular if s.state.running]
    if waiting:
        return "Running" if stopped else "Pending"
    if running:
        return "Running"
    if not stopped:
        return "Pending"
    return _all_stopped(state, stopped, over=over)


def _all_stopped(state: PodState, stopped: Sequence[ContainerStatus], *, over: bool) -> str:
    good = all(s.state.terminated is not None and s.state.terminated.exit_code == 0 for s in stopped)
    if over or state.stage is Stage.TERMINATING:
        return "Succeeded" if good else "Failed"
    if state.restarting_all:
        return "Running"
    # A container's own policy and rules go before the pod's.
    specs = {c.name: c for c in state.spec.containers or ()}
    if any(restarts(state.spec, specs[s.name], _exit_code(s), init=False) for s in stopped):
        return "Running"
    return "Succeeded" if good else "Failed"


def _exit_code(status: ContainerStatus) -> int:
    ended = status.state.terminated or status.last_state.terminated
    return ended.exit_code if ended is not None else 0


def _failed(status: ContainerStatus, container: Container, spec: PodSpec) -> bool:
    """Whether an init container has failed for good."""
    code = _exit_code(status)
    return code != 0 and not is_sidecar(container) and not restarts(spec, container, code, init=True)


def _initializing(state: PodState, init: Sequence[ContainerStatus], regular: Sequence[ContainerStatus]) -> bool:
    if not init or any(s.container_id for s in regular):
        return False
    for status, spec in zip(init, state.spec.init_containers, strict=False):
        ended = status.state.terminated
        done = bool(status.started) if is_sidecar(spec) else ended is not None and ended.exit_code == 0
        if not done:
            return True
    return False
