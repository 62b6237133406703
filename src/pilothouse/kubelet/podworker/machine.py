"""The machine of one pod: events in, instructions out, no clock, no I/O.

    SYNCING -> TERMINATING -> TERMINATED -> DELETING -> OVER

An event changes what is known (`_NOTE`, one function each); then the stage's own rule (`_STAGES`) asks for what is
missing, as long as something changes. A rule never waits: what is under way is noted in the state and not asked again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pilothouse.api.types.core.v1 import Pod
from pilothouse.kubelet.podworker import ending, events, resizes, restart_all, syncing
from pilothouse.kubelet.podworker.instructions import (
    AbandonStarts,
    CountTermination,
    Instruction,
    ProbeContainer,
    Record,
    RemoveContainer,
    ReportStatus,
    StopProbes,
    Wake,
)
from pilothouse.kubelet.podworker.state import Health, PodState, Stage, Verdict, Volumes, Waiting, newer
from pilothouse.kubelet.resources import within
from pilothouse.seams.runtime import Container, ContainerState, SandboxState

VOLUME_RETRY_SECONDS, VOLUME_RETRY_LONGEST = 0.5, 16.0
SANDBOX_RETRY_SECONDS = 1.0
RESIZE_RETRY_SECONDS = 10.0
Steps = list[Instruction]


class PodMachine:
    """Give every event to `handle` with the time; do what it returns, in order, without waiting for one another."""

    def __init__(self, pod: Pod) -> None:
        self.state = PodState(pod)

    @property
    def stage(self) -> Stage:
        return self.state.stage

    @property
    def over(self) -> bool:
        return self.state.stage is Stage.OVER

    def handle(self, event: events.Event, now: float) -> Steps:
        """The instructions that follow from `event`; ends with ReportStatus and Wake if there is reason to."""
        state = self.state
        if self.over:
            return []
        found = _NOTE[type(event)](state, event, now)
        settled = False
        while not settled:
            before = state.stage
            found += _STAGES[before](state, now)
            settled = self.stage is before
        if not self.over:
            if state.stage is Stage.SYNCING:
                found += resizes.progress(state)
            if not state.between_runs():
                found.append(ReportStatus())
            if (at := self._next_time(now)) is not None:
                found.append(Wake(at))
        return found

    def _next_time(self, now: float) -> float | None:
        """When something can change without an event."""
        state = self.state
        times = [w.until for name, w in state.waiting.items() if name not in state.starting]
        times += [state.volumes_retry, state.sandbox_retry, state.resize.retry_at]
        deadline = state.spec.active_deadline_seconds
        if deadline is not None and state.started_at:
            times.append(state.started_at + deadline)
        return min((t for t in times if t > now), default=None)


def _pod_changed(state: PodState, event: events.PodChanged, now: float) -> Steps:
    if resizes.resources(event.pod.spec) != resizes.resources(state.spec):
        resize = state.resize
        resize.error, resize.retry_at, resize.generation = "", 0.0, event.pod.metadata.generation
    state.pod = event.pod
    return []


def _pod_removed(state: PodState, event: events.PodRemoved, now: float) -> Steps:
    state.removed = True
    return []


def _pod_rejected(state: PodState, event: events.PodRejected, now: float) -> Steps:
    state.verdict, state.rejected = Verdict(event.reason, event.message), True
    return []


def _pod_evicted(state: PodState, event: events.PodEvicted, now: float) -> Steps:
    state.verdict = Verdict(event.reason, event.message, event.grace_seconds, event.disruption)
    return []


def _runtime_seen(state: PodState, event: events.RuntimeSeen, now: float) -> Steps:
    """The whole truth, taken while nothing was under way."""
    first, state.rebuilt = not state.rebuilt, True
    known = {c.id: c for c in event.containers}
    state.discarded &= known.keys()
    found: Steps = []
    for gone in [c for i, c in state.containers.items() if i not in known]:
        del state.containers[gone.id]
        found += _ended(state, gone)
    state.sandboxes = {s.id: s for s in event.sandboxes}
    for container in event.containers:
        found += _container_seen(state, events.ContainerSeen(container), now)
    state.stocked = True
    if first:
        state.volumes_retry = 0.0
        restart_all.resume(state)
    return found


def _container_seen(state: PodState, event: events.ContainerSeen, now: float) -> Steps:
    seen = event.container
    known = state.containers.get(seen.id)
    if seen.id in state.discarded or not newer(known, seen):
        return []
    state.containers[seen.id] = seen
    if seen.state is ContainerState.RUNNING and seen.id not in state.health:
        return _watch_health(state, seen)
    if seen.state is ContainerState.EXITED and (known is None or known.state is not ContainerState.EXITED):
        # One that had ended when the node's process began was counted by an earlier process.
        return [*([_count(seen)] if state.stocked else []), *_ended(state, seen)]
    return []


def _count(ended: Container) -> CountTermination:
    reason = ended.reason or ("Completed" if ended.exit_code == 0 else "Error")
    return CountTermination(ended.name, ended.exit_code, reason)


def _watch_health(state: PodState, seen: Container) -> Steps:
    """Begin to probe; a container from before our own start keeps what its status said."""
    spec = state.spec_of(seen.name)
    if spec is None:
        return []
    before = next(
        (
            s
            for s in (*state.pod.status.container_statuses, *state.pod.status.init_container_statuses)
            if s.container_id.endswith(f"//{seen.id}")
        ),
        None,
    )
    started = spec.startup_probe is None or bool(before and before.started)
    ready = started and (spec.readiness_probe is None or bool(before and before.ready))
    state.health[seen.id] = Health(started, ready)
    whole = state.cgroup.get(resizes.WHOLE) if state.cgroup is not None else state.spec.resources
    state.held_to[seen.id] = within(before.resources if before and before.resources else spec.resources, whole)
    if spec.startup_probe or spec.readiness_probe or spec.liveness_probe:
        return [ProbeContainer(seen.name, seen.id, started, ready)]
    return []


def _ended(state: PodState, container: Container) -> Steps:
    if state.killing.pop(container.id, None) is not None:
        state.replacing.add(container.name)
    state.held_to.pop(container.id, None)
    return [StopProbes(container.id)] if state.health.pop(container.id, None) else []


def _sandbox_seen(state: PodState, event: events.SandboxSeen, now: float) -> Steps:
    if event.sandbox.id not in state.stopping_sandboxes:
        # One that we stop is over when its stop is through: its network is still being torn down.
        state.sandboxes[event.sandbox.id] = event.sandbox
    return []


def _volumes_mounted(state: PodState, event: events.VolumesMounted, now: float) -> Steps:
    state.volumes, state.volumes_failures = Volumes.MOUNTED, 0
    return []


def _volumes_failed(state: PodState, event: events.VolumesFailed, now: float) -> Steps:
    delay = min(VOLUME_RETRY_SECONDS * 2.0**state.volumes_failures, VOLUME_RETRY_LONGEST)
    state.volumes, state.volumes_retry = Volumes.NONE, now + delay
    state.volumes_failures = min(state.volumes_failures + 1, 10)
    return [Record("Warning", "FailedMount", event.message)]


def _volumes_changed(state: PodState, event: events.VolumesChanged, now: float) -> Steps:
    state.volumes_retry = 0.0
    return []


def _volumes_removed(state: PodState, event: events.VolumesRemoved, now: float) -> Steps:
    state.volumes = Volumes.REMOVED
    return []


def _sandbox_started(state: PodState, event: events.SandboxStarted, now: float) -> Steps:
    state.sandbox_busy = False
    state.sandboxes[event.sandbox.id] = event.sandbox
    return []


def _sandbox_failed(state: PodState, event: events.SandboxFailed, now: float) -> Steps:
    state.sandbox_busy, state.sandbox_retry = False, now + SANDBOX_RETRY_SECONDS
    return [Record("Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {event.message}")]


def _sandbox_stopped(state: PodState, event: events.SandboxStopped, now: float) -> Steps:
    known = state.sandboxes.get(event.sandbox_id)
    if known is not None:
        state.sandboxes[known.id] = replace(known, state=SandboxState.NOT_READY)
    return []


def _container_started(state: PodState, event: events.ContainerStarted, now: float) -> Steps:
    state.starting.discard(event.container.name)
    state.waiting.pop(event.container.name, None)
    state.attempts.pop(event.container.name, None)
    found = _container_seen(state, events.ContainerSeen(event.container), now)
    if event.resources is not None and event.container.id in state.held_to:
        state.held_to[event.container.id] = event.resources
    return found + _forget_old(state, event.container.name)


def _forget_old(state: PodState, name: str) -> Steps:
    """Of a container's earlier runs only the last is kept, for its exit code and log."""
    found: Steps = []
    for old in state.runs(name)[:-2]:
        if old.state is ContainerState.EXITED and old.id not in state.killing:
            del state.containers[old.id]
            found.append(RemoveContainer(old.id, old.log_path))
    return found


def _container_failed(state: PodState, event: events.ContainerFailed, now: float) -> Steps:
    state.starting.discard(event.name)
    state.waiting[event.name] = Waiting(event.reason, event.message, now + event.retry_after)
    return []


def _container_resized(state: PodState, event: events.ContainerResized, now: float) -> Steps:
    if event.container_id in state.held_to:
        state.held_to[event.container_id] = event.resources
    return []


def _pod_resized(state: PodState, event: events.PodResized, now: float) -> Steps:
    state.resize.acting, state.cgroup = False, event.granted
    return []


def _pod_resize_failed(state: PodState, event: events.PodResizeFailed, now: float) -> Steps:
    resize = state.resize
    resize.acting, resize.retry_at = False, now + RESIZE_RETRY_SECONDS
    if resize.error == event.message:
        return []
    resize.error = event.message
    text = resizes.message("error", state.pod, event.message, resize.generation)
    return [Record("Warning", "ResizeError", text)]


def _container_stopped(state: PodState, event: events.ContainerStopped, now: float) -> Steps:
    if event.container is not None:
        return _container_seen(state, events.ContainerSeen(event.container), now)
    gone = state.containers.pop(event.container_id, None)
    return _ended(state, gone) if gone else []


def _probe_changed(state: PodState, event: events.ProbeChanged, now: float) -> Steps:
    health, container = state.health.get(event.container_id), state.containers.get(event.container_id)
    if health is None or container is None:
        return []
    spec = state.spec_of(container.name)
    if event.probe is events.Probe.READINESS:
        state.health[container.id] = replace(health, ready=event.success)
        return []
    if event.success:
        if event.probe is events.Probe.STARTUP:
            ready = spec is not None and spec.readiness_probe is None
            state.health[container.id] = Health(started=True, ready=ready or health.ready)
        return []
    if container.id in state.killing or spec is None or state.stage is not Stage.SYNCING:
        return []
    probe = spec.startup_probe if event.probe is events.Probe.STARTUP else spec.liveness_probe
    given = probe.termination_grace_period_seconds if probe else None
    grace = state.grace() if given is None else max(given, 1)
    text = f"Container {container.name} failed {event.probe.value} probe, will be restarted"
    return [syncing.kill(state, container, now, grace, text)]


def _time_reached(state: PodState, event: events.TimeReached, now: float) -> Steps:
    return []


def _syncing(state: PodState, now: float) -> Steps:
    deadline = state.spec.active_deadline_seconds
    found: Steps = []
    if state.verdict is None and deadline is not None and state.started_at and now >= state.started_at + deadline:
        text = "Pod was active on the node longer than the specified deadline"
        state.verdict = Verdict("DeadlineExceeded", text)
        found.append(Record("Normal", "DeadlineExceeded", text))
    if state.deletion_requested() or state.verdict is not None or (state.rebuilt and syncing.finished(state)):
        state.stage = Stage.TERMINATING
        return [*found, AbandonStarts()] if state.starting else found
    return syncing.steps(state, now)


def _terminating(state: PodState, now: float) -> Steps:
    found = ending.terminating(state, now)
    if ending.torn_down(state):
        state.stage = Stage.TERMINATED
    return found


def _terminated(state: PodState, now: float) -> Steps:
    if state.removed:
        state.stage = Stage.OVER
        return ending.farewell(state)
    found = ending.terminated(state)
    if found:
        state.stage = Stage.DELETING
    return found


def _deleting(state: PodState, now: float) -> Steps:
    if not state.removed:
        return []
    state.stage = Stage.OVER
    return ending.farewell(state)


_NOTE: dict[type, Callable[[PodState, Any, float], Steps]] = {
    events.PodChanged: _pod_changed,
    events.PodRemoved: _pod_removed,
    events.PodRejected: _pod_rejected,
    events.PodEvicted: _pod_evicted,
    events.RuntimeSeen: _runtime_seen,
    events.ContainerSeen: _container_seen,
    events.SandboxSeen: _sandbox_seen,
    events.VolumesMounted: _volumes_mounted,
    events.VolumesFailed: _volumes_failed,
    events.VolumesChanged: _volumes_changed,
    events.VolumesRemoved: _volumes_removed,
    events.SandboxStarted: _sandbox_started,
    events.SandboxFailed: _sandbox_failed,
    events.SandboxStopped: _sandbox_stopped,
    events.ContainerStarted: _container_started,
    events.ContainerFailed: _container_failed,
    events.ContainerResized: _container_resized,
    events.PodResized: _pod_resized,
    events.PodResizeFailed: _pod_resize_failed,
    events.ContainerStopped: _container_stopped,
    events.ProbeChanged: _probe_changed,
    events.TimeReached: _time_reached,
}
_STAGES: dict[Stage, Callable[[PodState, float], Steps]] = {
    Stage.SYNCING: _syncing,
    Stage.TERMINATING: _terminating,
    Stage.TERMINATED: _terminated,
    Stage.DELETING: _deleting,
    Stage.OVER: lambda state, now: [],
}
