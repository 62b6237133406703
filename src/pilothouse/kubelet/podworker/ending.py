"""What a pod that is to end needs next. Pure."""

from __future__ import annotations

from pilothouse.kubelet.podworker.instructions import (
    FinishDeletion,
    Forget,
    Instruction,
    KillContainer,
    RemoveContainer,
    RemoveSandbox,
    RemoveVolumes,
    StopSandbox,
)
from pilothouse.kubelet.podworker.state import PodState, Volumes
from pilothouse.seams.runtime import Container, ContainerState, SandboxState

# A sidecar gets at least this long, even if the others have used the pod's time up.
SIDECAR_GRACE = 2


def terminating(state: PodState, now: float) -> list[Instruction]:
    """End the containers (sidecars last, in reverse order), then the sandbox, then the volumes."""
    if not state.rebuilt:
        return []
    grace = state.grace()
    if not state.terminate_at:
        state.terminate_at = now
    left = max(int(state.terminate_at + grace - now), 0)
    alive = [c for c in state.containers.values() if c.state is not ContainerState.EXITED]
    sidecar_names = [c.name for c in state.sidecars()]
    main = [c for c in alive if c.name not in sidecar_names]
    found: list[Instruction] = []
    for container in main:
        found += _kill(state, container, max(left, 1))
    if main or state.starting:
        return found
    for name in reversed(sidecar_names):
        running = [c for c in alive if c.name == name]
        for container in running:
            found += _kill(state, container, max(left, SIDECAR_GRACE))
        if running:
            return found
    return _tear_down(state)


def _kill(state: PodState, container: Container, grace: int) -> list[Instruction]:
    """Kill it, or overtake a slower kill that is under way."""
    if container.id in state.killing and state.killing[container.id] <= grace:
        return []
    again = container.id in state.killing
    state.killing[container.id] = grace
    message = "" if again else f"Stopping container {container.name}"
    return [KillContainer(container.id, container.name, grace, message)]


def _tear_down(state: PodState) -> list[Instruction]:
    if state.sandbox_busy:
        return []
    found: list[Instruction] = []
    for sandbox in state.sandboxes.values():
        if sandbox.id not in state.stopping_sandboxes:
            state.stopping_sandboxes.add(sandbox.id)
            found.append(StopSandbox(sandbox.id))
    stopped = all(s.state is SandboxState.NOT_READY for s in state.sandboxes.values())
    if stopped and not found and state.volumes not in (Volumes.MOUNTING, Volumes.REMOVING, Volumes.REMOVED):
        state.volumes = Volumes.REMOVING
        found.append(RemoveVolumes())
    return found


def torn_down(state: PodState) -> bool:
    return state.volumes is Volumes.REMOVED and not state.starting and not state.sandbox_busy


def terminated(state: PodState) -> list[Instruction]:
    """A pod that is over stays for its status and logs, until the API wants it gone."""
    return [] if state.removed or not state.deletion_requested() else [FinishDeletion()]


def farewell(state: PodState) -> list[Instruction]:
    """The API object is gone: nothing of the pod stays. A sandbox takes its containers along."""
    return [
        *(RemoveContainer(c.id) for c in state.containers.values() if c.sandbox_id not in state.sandboxes),
        *(RemoveSandbox(i) for i in state.sandboxes),
        Forget(),
    ]
