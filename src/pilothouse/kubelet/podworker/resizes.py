"""Resizes in place: what the node has granted a pod, and what of it is still to be carried out. Pure. KEP-1287.

A pod goes by the resources that its node has granted. What it asks for besides waits, and its condition
PodResizePending says why. Upstream: pkg/kubelet/allocation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import (
    Container,
    EphemeralContainer,
    Pod,
    PodCondition,
    PodSpec,
    ResourceRequirements,
)
from pilothouse.kubelet.podworker.instructions import Record
from pilothouse.kubelet.podworker.state import PendingResize, PodState, Resize
from pilothouse.kubelet.resources import within
from pilothouse.seams.runtime import Container as Run

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


def actuated(pod: Pod) -> Granted:
    """What the pod and its containers are held to when the node's process begins: what its status tells of those that
    run, what its spec says of all others."""
    told = {s.name: s.resources for s in (*pod.status.init_container_statuses, *pod.status.container_statuses)}
    found = {name: told.get(name) or own for name, own in resources(pod.spec).items()}
    if pod.spec.resources is not None:
        found[WHOLE] = pod.status.resources or pod.spec.resources
    return found


def granted_to(spec: PodSpec, container: Container | EphemeralContainer) -> ResourceRequirements:
    """What a container is to be held to: what it asks for itself, within the limits of the pod as a whole."""
    return within(container.resources, spec.resources)


def changes(held: ResourceRequirements, granted: ResourceRequirements) -> set[str]:
    """The resources that differ."""
    if held is granted or held == granted:
        return set()
    return {
        name
        for old, new in ((held.requests, granted.requests), (held.limits, granted.limits))
        for name in (*old, *new)
        if old.get(name) != new.get(name)
    }


def mixed(held: ResourceRequirements, granted: ResourceRequirements, name: str) -> ResourceRequirements:
    """What is held, with only one resource as granted."""

    def taken(old: Mapping[str, Quantity], new: Mapping[str, Quantity]) -> dict[str, Quantity]:
        kept = {key: amount for key, amount in old.items() if key != name}
        return {**kept, name: new[name]} if name in new else kept

    return msgspec.structs.replace(
        held, requests=taken(held.requests, granted.requests), limits=taken(held.limits, granted.limits)
    )


def own(held: ResourceRequirements, spec: ResourceRequirements) -> ResourceRequirements:
    """What a container's status tells of what it is held to: nothing that it has from its pod."""
    limits = {name: amount for name, amount in held.limits.items() if name in spec.limits}
    return msgspec.structs.replace(held, limits=limits)


def in_progress(state: PodState) -> bool:
    """Whether the pod or some running container is not yet held to what it was granted."""
    if state.cgroup is not None and state.cgroup != resources(state.spec):
        return True
    return any(changes(held, granted_to(state.spec, spec)) for spec, _, held in resizable(state))


def resizable(state: PodState) -> Iterator[tuple[Container, Run, ResourceRequirements]]:
    """The running containers that can be resized, with what each is held to: all but init containers that end, and
    ephemeral ones. Upstream: allocation.IsResizableContainer."""
    for spec in (*state.sidecars(), *(state.spec.containers or ())):
        run = state.current(spec.name)
        held = state.held_to.get(run.id) if run is not None else None
        if run is not None and held is not None:
            yield spec, run, held


def progress(state: PodState) -> list[Record]:
    """Notes whether a resize is under way, and tells when one is through."""
    resize, going_on = state.resize, in_progress(state)
    if going_on or not resize.shown:
        resize.shown = going_on
        return []
    if state.between_runs():
        return []
    text = message("completed", state.pod, generation=resize.generation)
    state.resize = Resize()
    return [Record("Normal", "ResizeCompleted", text)]


def conditions(state: PodState) -> list[PodCondition]:
    found = []
    pending = state.pending_resize
    if pending is not None:
        found.append(PodCondition(type=PENDING, status="True", reason=pending.reason, message=pending.message))
    if in_progress(state):
        resize = state.resize
        reason = "Error" if resize.error else ""
        found.append(
            PodCondition(
                type=IN_PROGRESS,
                status="True",
                reason=reason,
                message=resize.error,
                observed_generation=resize.generation,
            )
        )
    return found


def message(what: str, pod: Pod, error: str = "", generation: int = 0) -> str:
    """The text of an event about a resize: `Pod resize started: {...}`. `generation` is that of the spec which asked
    for it; 0 is the pod's present one."""

    def listed(containers: Sequence[Container]) -> list[dict[str, Any]]:
        return [{"name": c.name, "resources": to_builtins(c.resources)} for c in containers]

    told: dict[str, Any] = {
        "initContainers": listed(pod.spec.init_containers),
        "containers": listed(pod.spec.containers or ()),
    }
    told = {name: value for name, value in told.items() if value}
    told["generation"] = generation or pod.metadata.generation
    if error:
        told["error"] = error
    return f"Pod resize {what}: {json.dumps(told, separators=(',', ':'))}"
