"""What a pod that is to end needs next. Pure."""

from __future__ import annotations

from dataclasses import replace

from pilothouse.kubelet.podworker.instructions import (
    FinishDeletion,
    Forget,
    Instruction,
    KillContainer,
    RemoveContainer,
    RemoveSandbox,
    RemoveVolumes,
    ShortenGrace,
    StopSandbox,
    TakeTurn,
)
from pilothouse.kubelet.podworker.state import Kill, PodState, Volumes
from pilothouse.seams.runtime import Container, ContainerState, SandboxState


def terminating(state: PodState, now: float) -> list[Instruction]:
    """End the containers, then the sandbox, then the volumes. All containers are told at once, so that every preStop
    hook runs at once; sidecars then wait for their turn: after all others, in reverse order."""
    if not state.rebuilt:
        return []
    _set_deadline(state, now)
    alive = [c for c in state.containers.values() if c.state is not ContainerState.EXITED]
    sidecars = [c.name for c in state.sidecars()]
    found: list[Instruction] = []
    for container in alive:
        found += _kill(state, container, now, sidecar=container.name in sidecars)
    if state.starting or any(c.name not in sidecars for c in alive):
        return found
    for name in reversed(sidecars):
        running = [c for c in alive if c.name == name]
        for container in running:
            kill = state.killing[container.id]
            if kill.waits:
                state.killing[container.id] = replace(kill, waits=False)
                found.append(TakeTurn(container.id))
        if running:
            return found
    return found + _tear_down(state)


def _set_deadline(state: PodState, now: float) -> None:
    """When the pod's time is up. It only ever comes nearer: a shorter grace counts from when it is told."""
    grace = state.grace()
    if state.deadline is None:
        state.deadline, state.granted = now + grace, grace
    elif grace < state.granted:
        state.deadline, state.granted = min(state.deadline, now + grace), grace


def _kill(state: PodState, container: Container, now: float, *, sidecar: bool) -> list[Instruction]:
    """Kill it, or let a kill that is under way be through sooner."""
    kill, deadline = state.killing.get(container.id), state.deadline or now
    if kill is None:
        state.killing[container.id] = Kill(deadline, waits=sidecar)
        text = f"Stopping container {container.name}"
        return [KillContainer(container.id, container.name, max(deadline - now, 0.0), text, in_turn=sidecar)]
    if deadline >= kill.deadline:
        return []
    state.killing[container.id] = replace(kill, deadline=deadline)
    return [ShortenGrace(container.id, max(deadline - now, 0.0))]


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
