"""The status of a pod, worked out from its machine's state. Pure.

Phases, conditions and reasons are the API's; what others have put into the status (PodScheduled, readiness gates, ...)
is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    HostIP,
    PodIP,
    PodStatus,
    ResourceRequirements,
    VolumeMount,
    VolumeMountStatus,
)
from pilothouse.kubelet.podworker import resizes
from pilothouse.kubelet.podworker.conditions import conditions
from pilothouse.kubelet.podworker.lost import located
from pilothouse.kubelet.podworker.phase import phase
from pilothouse.kubelet.podworker.restarts import is_sidecar
from pilothouse.kubelet.podworker.state import AnySpec, PodState, Stage, exited, succeeded
from pilothouse.seams import runtime


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a pod's status says of its node."""

    host_ips: Sequence[str]
    runtime_name: str = "containerd"
    recursive_read_only: bool = False


def compute(state: PodState, node: NodeFacts, qos: str, now: float) -> PodStatus:
    """The whole status as it is to be in the API; lastTransitionTimes that still hold are kept from `state.pod`."""
    pod, old = state.pod, state.pod.status
    init = tuple(_container_status(state, c, node, init=True) for c in state.spec.init_containers)
    regular = tuple(_container_status(state, c, node, init=False) for c in state.spec.containers or ())
    ephemeral = tuple(_container_status(state, c, node, init=False) for c in state.spec.ephemeral_containers)
    if state.stage in (Stage.TERMINATED, Stage.DELETING) and not state.rejected:
        init, regular = located(state.spec.init_containers, init, regular)
    if state.rejected:
        init = regular = ephemeral = ()
    told = phase(state, init, regular)
    ips = _pod_ips(state, node)
    status = msgspec.structs.replace(
        old,
        observed_generation=pod.metadata.generation,
        phase=told,
        message=state.verdict.message if state.verdict else old.message,
        reason=state.verdict.reason if state.verdict else old.reason,
        host_ip=node.host_ips[0] if node.host_ips else "",
        host_ips=tuple(HostIP(ip=ip) for ip in node.host_ips),
        pod_ip=ips[0] if ips else "",
        pod_ips=tuple(PodIP(ip=ip) for ip in ips),
        start_time=old.start_time or (format_time(state.started_at) if state.started_at else None),
        init_container_statuses=init,
        container_statuses=regular,
        ephemeral_container_statuses=ephemeral,
        qos_class=old.qos_class or qos,
        allocated_resources=state.spec.resources.requests if state.spec.resources is not None else {},
        resources=_whole(state),
    )
    return msgspec.structs.replace(status, conditions=conditions(state, status, now))


def _whole(state: PodState) -> ResourceRequirements | None:
    """What the pod as a whole is held to, if its spec says anything of it."""
    if state.spec.resources is None:
        return None
    return state.cgroup.get(resizes.WHOLE) if state.cgroup is not None else None


def _pod_ips(state: PodState, node: NodeFacts) -> Sequence[str]:
    if state.spec.host_network:
        return node.host_ips
    sandbox = state.sandbox() or max(state.sandboxes.values(), key=lambda s: s.attempt, default=None)
    if sandbox is not None and sandbox.ips:
        return sandbox.ips
    return tuple(ip.ip for ip in state.pod.status.pod_ips)


def terminated(run: runtime.Container, node: NodeFacts) -> ContainerState:
    reason = run.reason or ("Completed" if run.exit_code == 0 else "Error")
    return ContainerState(
        terminated=ContainerStateTerminated(
            exit_code=run.exit_code,
            reason=reason,
            message=run.message,
            # One that never came to run has started in 1970, as upstream has it.
            started_at=format_time(run.started_at),
            finished_at=format_time(run.finished_at),
            container_id=f"{node.runtime_name}://{run.id}",
        )
    )


def _container_status(state: PodState, spec: AnySpec, node: NodeFacts, *, init: bool) -> ContainerStatus:
    runs = state.runs(spec.name)
    run = runs[-1] if runs else None
    waiting = state.waiting.get(spec.name)
    if run is None:
        shown, last = _not_yet(state, spec, init=init), ContainerState()
        kept = _told_before(state, spec.name)
        if kept is not None and kept.container_id:
            if state.stage is not Stage.SYNCING:
                return kept
            return _with_waiting(kept, shown, begun_anew=spec.name in state.attempts)
    elif waiting is not None and run.state is not runtime.ContainerState.RUNNING:
        shown = ContainerState(waiting=ContainerStateWaiting(reason=waiting.reason, message=waiting.message))
        last = terminated(run, node)
    elif run.state is runtime.ContainerState.RUNNING:
        shown = ContainerState(running=ContainerStateRunning(started_at=format_time(run.started_at)))
        last = _last_state(runs, node)
    elif exited(run):
        shown, last = terminated(run, node), _last_state(runs, node)
    else:
        shown, last = _not_yet(state, spec, init=init), _last_state(runs, node)
    sidecar = init and isinstance(spec, msgspec.Struct) and spec.restart_policy == "Always"
    ready = bool(run) and (succeeded(run) if init and not sidecar and run else _ready(state, run))
    return ContainerStatus(
        name=spec.name,
        state=shown,
        last_state=last,
        ready=ready,
        restart_count=run.attempt if run else 0,
        image=(run.image if run else "") or spec.image,
        image_id=run.image_ref if run else "",
        container_id=f"{node.runtime_name}://{run.id}" if run else "",
        started=bool(run) and state.started(run) if run else False,
        allocated_resources=spec.resources.requests if run else {},
        resources=_resources(state, spec, run),
        volume_mounts=_mounts(spec, node) if run else (),
    )


def _resources(state: PodState, spec: AnySpec, run: runtime.Container | None) -> ResourceRequirements | None:
    """What a running container is held to; what one that does not run would be."""
    return resizes.own(state.held_to.get(run.id, spec.resources), spec.resources) if run is not None else None


def _told_before(state: PodState, name: str) -> ContainerStatus | None:
    status = state.pod.status
    return next((s for s in (*status.container_statuses, *status.init_container_statuses) if s.name == name), None)


def _with_waiting(kept: ContainerStatus, shown: ContainerState, *, begun_anew: bool) -> ContainerStatus:
    """A container whose runs the runtime has lost: what was told of them stays, as its last state. That one has
    succeeded stays as it is, unless the whole pod begins anew."""
    if not begun_anew and kept.state.terminated is not None and kept.ready:
        return kept
    last = kept.state if kept.state.terminated is not None else kept.last_state
    return msgspec.structs.replace(kept, state=shown, last_state=last, ready=False, started=False)


def _mounts(spec: AnySpec, node: NodeFacts) -> tuple[VolumeMountStatus, ...]:
    return tuple(
        VolumeMountStatus(
            name=m.name,
            mount_path=m.mount_path,
            read_only=m.read_only,
            recursive_read_only=_recursive(m, node) if m.read_only else None,
        )
        for m in spec.volume_mounts
    )


def _recursive(mount: VolumeMount, node: NodeFacts) -> str:
    """A container that runs has got what it insisted on."""
    mode = mount.recursive_read_only or "Disabled"
    return "Enabled" if mode == "Enabled" or (mode == "IfPossible" and node.recursive_read_only) else "Disabled"


def _ready(state: PodState, run: runtime.Container | None) -> bool:
    if run is None or run.state is not runtime.ContainerState.RUNNING:
        return False
    health = state.health.get(run.id)
    return health is not None and health.started and health.ready


def _last_state(runs: Sequence[runtime.Container], node: NodeFacts) -> ContainerState:
    return terminated(runs[-2], node) if len(runs) > 1 and exited(runs[-2]) else ContainerState()


def _not_yet(state: PodState, spec: AnySpec, *, init: bool) -> ContainerState:
    waiting = state.waiting.get(spec.name)
    if waiting is not None:
        return ContainerState(waiting=ContainerStateWaiting(reason=waiting.reason, message=waiting.message))
    initializing = bool(state.spec.init_containers) and (init or not state.initialized())
    return ContainerState(
        waiting=ContainerStateWaiting(reason="PodInitializing" if initializing else "ContainerCreating")
    )


__all__ = ["NodeFacts", "compute", "is_sidecar", "terminated"]
