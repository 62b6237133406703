"""The conditions of a pod. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import ContainerStatus, PodCondition, PodStatus
from pilothouse.kubelet.podworker import resizes, restart_all
from pilothouse.kubelet.podworker.restarts import is_sidecar
from pilothouse.kubelet.podworker.state import PodState
from pilothouse.semantics.container_restarts import could_restart_all

OWN = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    restart_all.CONDITION,
    resizes.PENDING,
    resizes.IN_PROGRESS,
)
DISRUPTED = "DisruptionTarget"


def is_own(state: PodState, condition: PodCondition) -> bool:
    """Whether the node, and nobody else, says what this condition of the pod is."""
    return condition.type in OWN or (condition.type == DISRUPTED and _disrupted(state))


def _disrupted(state: PodState) -> bool:
    return state.verdict is not None and state.verdict.disruption


def conditions(state: PodState, status: PodStatus, now: float) -> tuple[PodCondition, ...]:
    """The node's own conditions, in the API's order, then all others as they are."""
    containers_ready = _containers_ready(state, status)
    wanted = [
        _sandbox_ready(state),
        _initialized(state, status),
        _ready(state, containers_ready),
        containers_ready,
        PodCondition(type="PodScheduled", status="True"),
    ]
    if state.verdict is not None and _disrupted(state):
        text = state.verdict.message
        wanted.append(PodCondition(type=DISRUPTED, status="True", reason="TerminationByKubelet", message=text))
    wanted += resizes.conditions(state)
    if could_restart_all(state.spec):
        wanted.append(_restarting_all(state, status))
    old = {c.type: c for c in state.pod.status.conditions}
    if state.verdict is not None and state.rejected:
        return state.pod.status.conditions
    own = [_dated(c, old.get(c.type), state.pod.metadata.generation, now) for c in wanted]
    return (*own, *(c for c in state.pod.status.conditions if not is_own(state, c)))


def _dated(condition: PodCondition, old: PodCondition | None, generation: int, now: float) -> PodCondition:
    """With the time of its last change of status."""
    same = old is not None and old.status == condition.status
    since = old.last_transition_time if same and old is not None else format_time(now)
    generation = condition.observed_generation or generation
    return msgspec.structs.replace(condition, last_transition_time=since, observed_generation=generation)


def _sandbox_ready(state: PodState) -> PodCondition:
    sandbox = state.sandbox()
    ready = sandbox is not None and (bool(sandbox.ips) or state.spec.host_network)
    return PodCondition(type="PodReadyToStartContainers", status=_bool(ready))


def _bool(value: bool) -> str:
    return "True" if value else "False"


def _listed(names: Sequence[str]) -> str:
    return "[" + " ".join(names) + "]"


def _initialized(state: PodState, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return PodCondition(type="Initialized", status="True", reason="PodCompleted")
    started = any(s.container_id for s in status.container_statuses)
    unready = []
    for told, spec in zip(status.init_container_statuses, state.spec.init_containers, strict=False):
        done = bool(told.started) if is_sidecar(spec) else told.ready
        if not done:
            unready.append(told.name)
    if not unready or started:
        return PodCondition(type="Initialized", status="True")
    text = f"containers with incomplete status: {_listed(unready)}"
    return PodCondition(type="Initialized", status="False", reason="ContainersNotInitialized", message=text)


def _restarting_all(state: PodState, status: PodStatus) -> PodCondition:
    if state.restarting_all:
        text = "container exited with restart policy rule"
        reason = "RestartAllContainersStarted"
        return PodCondition(type=restart_all.CONDITION, status="True", reason=reason, message=text)
    final = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(status.phase, "")
    return PodCondition(type=restart_all.CONDITION, status="False", reason=final)


def _containers_ready(state: PodState, status: PodStatus) -> PodCondition:
    final = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(status.phase)
    if final:
        return PodCondition(type="ContainersReady", status="False", reason=final)
    counted: list[ContainerStatus] = [
        s for s, c in zip(status.init_container_statuses, state.spec.init_containers, strict=False) if is_sidecar(c)
    ]
    unready = [s.name for s in (*counted, *status.container_statuses) if not s.ready]
    if not unready:
        return PodCondition(type="ContainersReady", status="True")
    text = f"containers with unready status: {_listed(unready)}"
    return PodCondition(type="ContainersReady", status="False", reason="ContainersNotReady", message=text)


def _ready(state: PodState, containers_ready: PodCondition) -> PodCondition:
    if containers_ready.status != "True":
        return msgspec.structs.replace(containers_ready, type="Ready")
    by_type = {c.type: c for c in state.pod.status.conditions}
    texts = []
    for gate in state.spec.readiness_gates:
        found = by_type.get(gate.condition_type)
        if found is None:
            texts.append(f'corresponding condition of pod readiness gate "{gate.condition_type}" does not exist.')
        elif found.status != "True":
            texts.append(f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {found.status}')
    if texts:
        return PodCondition(type="Ready", status="False", reason="ReadinessGatesNotReady", message=", ".join(texts))
    return PodCondition(type="Ready", status="True")
