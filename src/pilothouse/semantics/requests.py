"""What a pod asks for: totals of requests and limits over its containers, and its QoS class. Pure.

The rule: ordinary containers and restartable init containers (sidecars) run together, so they add up; a plain init
container runs beside the sidecars started before it, alone otherwise, so only the largest of those moments counts.
A pod-level request replaces the sum for its resource. Overhead comes on top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from pilothouse.api.quantity import ZERO, Quantity, make
from pilothouse.api.types.core.v1 import Container, ContainerStatus, Pod, PodSpec

Totals = dict[str, Decimal]
_POD_LEVEL = ("cpu", "memory")

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"


def restartable(container: Container) -> bool:
    """Whether an init container is a sidecar: it keeps running beside the others."""
    return container.restart_policy == "Always"


def pod_level(resource: str) -> bool:
    """Whether a pod may ask for `resource` as a whole."""
    return resource in _POD_LEVEL or resource.startswith("hugepages-")


def pod_requests(pod: Pod, *, status_too: bool = False) -> Totals:
    """Amounts by resource that a node must have free. With `status_too`, a resize under way counts with the larger of
    what is wanted and what the node has allocated or set, unless the node found the resize infeasible."""
    spec = pod.spec
    if not status_too or not pod.status.container_statuses:
        return spec_requests(spec)
    held = {s.name: s for s in (*pod.status.container_statuses, *pod.status.init_container_statuses)}
    infeasible = any(
        c.type == "PodResizePending" and c.reason == "Infeasible" and c.status == "True" for c in pod.status.conditions
    )
    return _with_pod_level(
        _aggregate(spec, lambda c: _effective(c, held.get(c.name), infeasible)),
        spec.resources.requests if spec.resources else {},
        spec.overhead,
    )


def spec_requests(spec: PodSpec) -> Totals:
    """Amounts by resource that the pod's spec asks for, overhead included."""
    totals = _aggregate(spec, lambda c: c.resources.requests)
    return _with_pod_level(totals, spec.resources.requests if spec.resources else {}, spec.overhead)


def pod_limits(spec: PodSpec) -> Totals:
    """Upper bounds by resource; overhead is added only where there is a bound."""
    totals = _aggregate(spec, lambda c: c.resources.limits)
    totals = _with_pod_level(totals, spec.resources.limits if spec.resources else {}, {})
    for name, quantity in spec.overhead.items():
        if name in totals:
            totals[name] += quantity.value
    return totals


def as_quantities(totals: Mapping[str, Decimal]) -> dict[str, Quantity]:
    """The totals as an object shows them: memory-like amounts with binary suffixes."""
    binary = ("memory", "storage", "ephemeral-storage")
    return {
        name: make(value, "binary" if name in binary or name.startswith("hugepages-") else "decimal")
        for name, value in totals.items()
    }


def _effective(container: Container, status: ContainerStatus | None, infeasible: bool) -> Mapping[str, Quantity]:
    if status is None:
        return container.resources.requests
    sources = [] if infeasible else [container.resources.requests]
    if status.resources is not None:
        sources.append(status.resources.requests)
    if status.allocated_resources:
        sources.append(status.allocated_resources)
    if not sources:
        return container.resources.requests
    found: dict[str, Quantity] = {}
    for source in sources:
        for name, quantity in source.items():
            if quantity > found.get(name, ZERO) or name not in found:
                found[name] = quantity
    return found


def _aggregate(spec: PodSpec, amounts: Callable[[Container], Mapping[str, Quantity]]) -> Totals:
    totals: Totals = {}
    for container in spec.containers or ():
        _add(totals, amounts(container))
    if not spec.init_containers:
        return totals
    sidecars: Totals = {}
    peak: Totals = {}
    for container in spec.init_containers:
        wanted = amounts(container)
        if restartable(container):
            _add(totals, wanted)
            _add(sidecars, wanted)
            _raise_to(peak, sidecars)
        else:
            moment = dict(sidecars)
            _add(moment, wanted)
            _raise_to(peak, moment)
    _raise_to(totals, peak)
    return totals


def _with_pod_level(totals: Totals, whole: Mapping[str, Quantity], overhead: Mapping[str, Quantity]) -> Totals:
    for name, quantity in whole.items():
        if pod_level(name):
            totals[name] = quantity.value
    _add(totals, overhead)
    return totals


def _add(totals: Totals, more: Mapping[str, Quantity]) -> None:
    for name, quantity in more.items():
        held = totals.get(name)
        totals[name] = quantity.value if held is None else held + quantity.value


def _raise_to(totals: Totals, floor: Mapping[str, Decimal]) -> None:
    for name, value in floor.items():
        if name not in totals or totals[name] < value:
            totals[name] = value


def qos_class(pod: Pod) -> str:
    """The pod's QoS class: as its status records it, else worked out."""
    return pod.status.qos_class or compute_qos(pod.spec)


def compute_qos(spec: PodSpec) -> str:
    """Guaranteed if cpu and memory have equal requests and limits everywhere, BestEffort if there are none at all."""
    if spec.resources is not None and (spec.resources.requests or spec.resources.limits):
        parts: Sequence[tuple[Mapping[str, Quantity], Mapping[str, Quantity]]] = (
            (spec.resources.requests, spec.resources.limits),
        )
    else:
        containers = (*(spec.containers or ()), *spec.init_containers)
        parts = tuple((c.resources.requests, c.resources.limits) for c in containers)
    requests, limits, guaranteed = Totals(), Totals(), True
    for wanted, bound in parts:
        _add(requests, {n: q for n, q in wanted.items() if n in _POD_LEVEL and q.value > 0})
        bounded = {n: q for n, q in bound.items() if n in _POD_LEVEL and q.value > 0}
        _add(limits, bounded)
        guaranteed = guaranteed and len(bounded) == len(_POD_LEVEL)
    if not requests and not limits:
        return BEST_EFFORT
    if guaranteed and len(requests) == len(limits) and all(limits.get(n) == v for n, v in requests.items()):
        return GUARANTEED
    return BURSTABLE
