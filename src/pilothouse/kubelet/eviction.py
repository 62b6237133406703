"""When a node runs short, and which pod has to go. Pure.

Thresholds: 100 MiB of memory, and of the disk 5 % of bytes and of inodes, but never more than 2 GiB: a large disk that
is well filled is no emergency on a machine that people work on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pilothouse.api.quantity import make
from pilothouse.api.types.core.v1 import Pod
from pilothouse.semantics.requests import GUARANTEED, compute_qos, pod_requests

MEMORY_FLOOR = 100 << 20
DISK_SHARE, DISK_CEILING, INODE_SHARE = 0.05, 2 << 30, 0.05
# A pressure once told stays for this long after it has gone, so that conditions do not flap.
CALM_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Signals:
    """What a node has left: bytes, and inodes of the file system that pods and images are on (0 of 0: not counted)."""

    memory_available: int
    disk_available: int
    disk_capacity: int
    inodes_free: int = 0
    inodes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a pod takes: bytes of memory and of disk."""

    memory: int = 0
    disk: int = 0


@dataclass(frozen=True, slots=True)
class Shortage:
    """A threshold that is crossed. `resource` is `memory` or `ephemeral-storage`."""

    condition: str
    resource: str
    threshold: int
    available: int


def shortages(signals: Signals) -> list[Shortage]:
    """Every threshold that is crossed now, memory first."""
    found = []
    if signals.memory_available < MEMORY_FLOOR:
        found.append(Shortage("MemoryPressure", "memory", MEMORY_FLOOR, signals.memory_available))
    floor = min(int(signals.disk_capacity * DISK_SHARE), DISK_CEILING)
    few_inodes = signals.inodes and signals.inodes_free < signals.inodes * INODE_SHARE
    if signals.disk_available < floor or few_inodes:
        found.append(Shortage("DiskPressure", "ephemeral-storage", floor, signals.disk_available))
    return found


class Pressures:
    """Which pressure conditions hold, with their calm-down."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def note(self, found: Sequence[Shortage], now: float) -> None:
        for shortage in found:
            self._last[shortage.condition] = now

    def held(self, now: float) -> dict[str, bool]:
        return {condition: now - last < CALM_SECONDS for condition, last in self._last.items()}


def _amount(usage: Usage, resource: str) -> int:
    return usage.memory if resource == "memory" else usage.disk


def victim(pods: Sequence[Pod], usage: Mapping[str, Usage], resource: str) -> Pod | None:
    """The pod to end first: one that takes more than it asked for, of the lowest priority, that takes most beyond what
    it asked for. Critical pods (priority 2 billion and above) are spared."""

    def rank(pod: Pod) -> tuple[bool, int, int]:
        asked = int(pod_requests(pod).get(resource, 0))
        beyond = _amount(usage.get(pod.metadata.uid, Usage()), resource) - asked
        return beyond <= 0, pod.spec.priority or 0, -beyond

    candidates = [p for p in pods if (p.spec.priority or 0) < 2_000_000_000]
    return min(candidates, key=rank, default=None)


def explanation(pod: Pod, shortage: Shortage, usage: Usage) -> str:
    """The message of an eviction."""
    text = (
        f"The node was low on resource: {shortage.resource}. "
        f"Threshold quantity: {_binary(shortage.threshold)}, available: {_binary(shortage.available)}. "
    )
    asked = int(pod_requests(pod).get(shortage.resource, 0))
    taken = _amount(usage, shortage.resource)
    if taken > asked and compute_qos(pod.spec) != GUARANTEED:
        names = ", ".join(c.name for c in pod.spec.containers or ())
        text += (
            f"Container {names} was using {_binary(taken)}, request is {_binary(asked)}, "
            f"has larger consumption of {shortage.resource}. "
        )
    return text


def _binary(number: int) -> str:
    """Bytes as people read them: whole KiB, or more where it comes out even."""
    return str(make(Decimal(number >> 10 << 10 if number >> 10 else number), "binary"))


def over_limit(pod: Pod, volumes: Mapping[str, int], disk: int, layers: Mapping[str, int]) -> str:
    """Why a pod has to go for what it has written itself; "" if it need not. `volumes` are bytes by emptyDir's name,
    `layers` those in the containers' own file systems by their names, `disk` all it has written outside of memory.
    Upstream's localStorageEviction."""
    for volume in pod.spec.volumes:
        source = volume.empty_dir
        if source is not None and source.size_limit is not None and source.medium != "Memory":
            limit = source.size_limit.integer()
            if limit and volumes.get(volume.name, 0) > limit:
                return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{source.size_limit}". '
    limits = {
        c.name: c.resources.limits["ephemeral-storage"]
        for c in pod.spec.containers or ()
        if "ephemeral-storage" in c.resources.limits
    }
    total = sum(limit.integer() for limit in limits.values())
    if limits and disk > total:
        return (
            f"Pod ephemeral local storage usage exceeds the total limit of containers "
            f"{make(Decimal(total), 'binary')}. "
        )
    for name, most in limits.items():
        if layers.get(name, 0) > most.integer():
            return f'Container {name} exceeded its local ephemeral storage limit "{most}". '
    return ""
