"""Resizes in place: what the node has granted a pod, and what of it is still to be carried out. Pure. KEP-1287.

A pod goes by the resources that its node has granted. What it asks for besides waits, and its condition
PodResizePending says why. Upstream: pkg/kubelet/allocation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.types.core.v1 import Container, Pod, PodCondition, PodSpec, ResourceRequirements
from pilothouse.kubelet.podworker.state import PendingResize, PodState

C = TypeVar("C", bound=Container)
PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"


Granted = dict[str, ResourceRequirements]
"""What each container may use, by name; what the pod as a whole may, if its spec says so, by WHOLE."""
WHOLE = ""


def resources(spec: PodSpec) -> Granted:
    found = {c.name: c.resources for c in (*spec.init_containers, *(spec.containers or ()))}
    return found if spec.resources is None else {WHOLE: spec.resources, **found}


def with_resources(pod: Pod, granted: Mapping[str, ResourceRequirements]) -> Pod:
    """The pod with other resources; who is not named keeps its own."""

    def changed(containers: Sequence[C]) -> tuple[C, ...]:
        return tuple(msgspec.structs.replace(c, resources=granted.get(c.name, c.resources)) for c in containers)

    spec = msgspec.structs.replace(
        pod.spec,
        containers=changed(pod.spec.containers or ()),
        init_containers=changed(pod.spec.init_containers),
        resources=granted.get(WHOLE, pod.spec.resources),
    )
    return msgspec.structs.replace(pod, spec=spec)


def resume(pod: Pod) -> tuple[Pod, PendingResize | None]:
    """When the node's process begins: the pod as it was granted, if its status says that a resize waits, and why."""
    for condition in pod.status.conditions:
        if condition.type == PENDING and condition.status == "True":
            statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
            granted = {s.name: s.resources for s in statuses if s.resources is not None}
            if pod.status.resources is not None:
                granted[WHOLE] = pod.status.resources
            return with_resources(pod, granted), PendingResize(condition.reason, condition.message)
    return pod, None


def in_progress(state: PodState) -> bool:
    """Whether the pod or some running container is not yet held to what it was granted."""
    granted = resources(state.spec)
    return state.whole != state.spec.resources or any(
        run.id in state.held_to and state.held_to[run.id] != granted.get(run.name, state.held_to[run.id])
        for run in state.running()
    )


def conditions(state: PodState) -> list[PodCondition]:
    found = []
    pending = state.pending_resize
    if pending is not None:
        found.append(PodCondition(type=PENDING, status="True", reason=pending.reason, message=pending.message))
    if in_progress(state):
        found.append(PodCondition(type=IN_PROGRESS, status="True"))
    return found


def message(what: str, pod: Pod, error: str = "") -> str:
    """The text of an event about a resize: `Pod resize started: {...}`."""

    def listed(containers: Sequence[Container]) -> list[dict[str, Any]]:
        return [{"name": c.name, "resources": to_builtins(c.resources)} for c in containers]

    told: dict[str, Any] = {
        "initContainers": listed(pod.spec.init_containers),
        "containers": listed(pod.spec.containers or ()),
    }
    told = {name: value for name, value in told.items() if value}
    told["generation"] = pod.metadata.generation
    if error:
        told["error"] = error
    return f"Pod resize {what}: {json.dumps(told, separators=(',', ':'))}"
