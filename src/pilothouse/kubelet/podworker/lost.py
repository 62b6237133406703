"""Containers of a pod that is over of which nothing is known. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pilothouse.api.types.core.v1 import Container, ContainerState, ContainerStateTerminated, ContainerStatus
from pilothouse.kubelet.podworker.restarts import is_sidecar

UNKNOWN_EXIT = 137
Statuses = tuple[ContainerStatus, ...]


def located(init_specs: Sequence[Container], init: Statuses, regular: Statuses) -> tuple[Statuses, Statuses]:
    """The statuses of init and regular containers as they are to be once the pod is over: whatever may have run and has
    not been seen to end counts as failed. What the pod never came to, because an init container failed or because it
    was ended before, stays waiting."""
    attempted = max((i + 1 for i, s in enumerate(init) if not s.state.waiting or s.last_state.terminated), default=1)
    past = not init or _initialized(init_specs, init, regular)
    return (*map(_ended, init[:attempted]), *init[attempted:]), tuple(map(_ended, regular)) if past else regular


def _initialized(init_specs: Sequence[Container], init: Statuses, regular: Statuses) -> bool:
    """Whether the pod's regular containers may have begun to run."""
    if any(s.state.running or s.state.terminated or s.last_state.terminated for s in regular):
        return True
    spec, last = init_specs[-1], init[-1]
    if is_sidecar(spec):
        return last.state.running is not None and bool(last.started)
    return any(ended and ended.exit_code == 0 for ended in (last.state.terminated, last.last_state.terminated))


def _ended(status: ContainerStatus) -> ContainerStatus:
    if status.state.terminated is not None:
        return status
    text = "The container could not be located when the pod was terminated"
    gone = ContainerState(
        terminated=ContainerStateTerminated(exit_code=UNKNOWN_EXIT, reason="ContainerStatusUnknown", message=text)
    )
    shown = status.last_state if status.last_state.terminated is not None else gone
    return msgspec.structs.replace(status, ready=False, started=False, state=shown, last_state=ContainerState())
