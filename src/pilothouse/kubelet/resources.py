"""Requests and limits as cgroup figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

import msgspec

from pilothouse.api.quantity import Quantity
from pilothouse.api.quantity import parse as quantity
from pilothouse.api.types.core.v1 import Pod, ResourceRequirements
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.podworker.restarts import is_sidecar
from pilothouse.seams.runtime import Resources
from pilothouse.semantics.requests import BEST_EFFORT, GUARANTEED, compute_qos, pod_limits, spec_requests

PERIOD = 100_000
MIN_SHARES, MAX_SHARES, MIN_QUOTA = 2, 262_144, 1_000
HUGE_PAGES = "hugepages-"
GUARANTEED_OOM, BEST_EFFORT_OOM = -997, 1000


def shares(milli: int) -> int:
    """cpu.shares for thousandths of a core."""
    return min(max(milli * 1024 // 1000, MIN_SHARES), MAX_SHARES)


def quota(milli: int) -> int:
    """Microseconds of cpu a period; 0 is without limit."""
    return max(milli * PERIOD // 1000, MIN_QUOTA) if milli else 0


def milli(amount: Decimal) -> int:
    return int((amount * 1000).to_integral_value(rounding=ROUND_CEILING))


def oom_score(pod: Pod, container: AnyContainer, memory_capacity: int) -> int:
    """Who the kernel ends first when memory runs out: 1000 first, what asked for much of the node's memory last.
    Upstream: qos.GetContainerOOMScoreAdjust."""
    qos = pod.status.qos_class or compute_qos(pod.spec)
    if qos == GUARANTEED or pod.spec.priority_class_name == "system-node-critical":
        return GUARANTEED_OOM
    if qos == BEST_EFFORT:
        return BEST_EFFORT_OOM
    requested = _memory_request(container) + _undivided_memory(pod)
    if any(c.name == container.name and is_sidecar(c) for c in pod.spec.init_containers):
        # A sidecar is not to go before those that it serves.
        requested = max(requested, min(map(_memory_request, pod.spec.containers or ()), default=0))
    score = 1000 - 1000 * requested // max(memory_capacity, 1)
    return min(max(score, 1000 + GUARANTEED_OOM), BEST_EFFORT_OOM - 1)


def _memory_request(container: AnyContainer) -> int:
    requested = container.resources.requests.get("memory")
    return requested.integer() if requested else 0


def _undivided_memory(pod: Pod) -> int:
    """Each container's part of what the pod asks for as a whole beyond its containers' requests."""
    whole = pod.spec.resources.requests.get("memory") if pod.spec.resources is not None else None
    if not whole:
        return 0
    alone = msgspec.structs.replace(pod.spec, resources=None, overhead={})
    containers = len(pod.spec.containers or ()) + len(pod.spec.init_containers)
    return max(whole.integer() - int(spec_requests(alone).get("memory", 0)), 0) // max(containers, 1)


def within(own: ResourceRequirements, whole: ResourceRequirements | None) -> ResourceRequirements:
    """A container's requests and limits with those limits of its pod as a whole that it has none for itself."""
    shared = {name: whole.limits[name] for name in ("cpu", "memory") if name in whole.limits} if whole else {}
    missing = {name: amount for name, amount in shared.items() if not own.limits.get(name)}
    return msgspec.structs.replace(own, limits={**own.limits, **missing}) if missing else own


def container_resources(pod: Pod, container: AnyContainer, node: Mapping[str, Quantity], *, unified: bool) -> Resources:
    """`node` is the node's capacity; `unified` says that cgroup v2 is in use. Follows kuberuntime's
    generateLinuxContainerResources."""
    resources = within(container.resources, pod.spec.resources)
    requests, limits = resources.requests, resources.limits
    cpu = requests.get("cpu") or limits.get("cpu")
    memory = limits.get("memory")
    capacity = node.get("memory")
    return Resources(
        cpu_period=PERIOD,
        cpu_quota=quota(limits["cpu"].milli()) if "cpu" in limits else 0,
        cpu_shares=shares(cpu.milli() if cpu else 0),
        memory_limit=memory.integer() if memory else 0,
        oom_score_adj=oom_score(pod, container, capacity.integer() if capacity else 0),
        unified={"memory.oom.group": "1"} if unified else {},
    )


def pod_resources(pod: Pod) -> Resources:
    """What the pod's own cgroup is held to: limits only where every container has one."""
    requests, limits = spec_requests(pod.spec), pod_limits(pod.spec)
    containers = (*(pod.spec.containers or ()), *pod.spec.init_containers)
    bounded = {
        name for name in ("cpu", "memory") if all(name in c.resources.limits for c in containers) or _whole(pod, name)
    }
    return Resources(
        cpu_period=PERIOD,
        cpu_quota=quota(milli(limits.get("cpu", Decimal(0)))) if "cpu" in bounded else 0,
        cpu_shares=shares(milli(requests.get("cpu", Decimal(0)))),
        memory_limit=int(limits.get("memory", Decimal(0))) if "memory" in bounded else 0,
    )


def huge_page_limits(pod: Pod) -> dict[int, int]:
    """Bytes that the pod may have in huge pages, by the size of a page."""
    asked = spec_requests(pod.spec).items()
    return {
        quantity(name.removeprefix(HUGE_PAGES)).integer(): int(amount)
        for name, amount in asked
        if name.startswith(HUGE_PAGES)
    }


def _whole(pod: Pod, name: str) -> bool:
    return pod.spec.resources is not None and name in pod.spec.resources.limits


def cgroup_of(parent: str, pod: Pod) -> str:
    """The pod's cgroup: below its class's, Guaranteed pods directly below `kubepods`."""
    qos = pod.status.qos_class or compute_qos(pod.spec)
    middle = "" if qos == GUARANTEED else f"/{qos.lower()}"
    return f"{parent}/kubepods{middle}/pod{pod.metadata.uid}"
