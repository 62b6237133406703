"""Usage figures, with the meaning and units of upstream's kubelet stats API (k8s.io/kubelet/pkg/apis/stats/v1alpha1).

Times are seconds since the epoch, sizes bytes, CPU nanoseconds. None: nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Cpu:
    """`usage_core_ns` only grows; `usage_nano_cores` is its rate since the figures were last asked for."""

    time: float
    usage_core_ns: int
    usage_nano_cores: int | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    time: float
    working_set: int
    usage: int | None = None
    available: int | None = None
    rss: int | None = None
    cache: int | None = None
    page_faults: int | None = None
    major_page_faults: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    time: float
    usage: int
    available: int | None = None


@dataclass(frozen=True, slots=True)
class Pressure:
    """Pressure stall information of one resource: `some` and `full`, each as (avg10, avg60, avg300, total in
    microseconds)."""

    some: tuple[float, float, float, int]
    full: tuple[float, float, float, int]


@dataclass(frozen=True, slots=True)
class Interface:
    name: str
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class Filesystem:
    time: float
    used: int | None = None
    available: int | None = None
    capacity: int | None = None
    inodes: int | None = None
    inodes_free: int | None = None
    inodes_used: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a cgroup uses: a container's, a pod's or the node's."""

    cpu: Cpu | None = None
    memory: Memory | None = None
    swap: Swap | None = None
    processes: int | None = None
    pressure: Mapping[str, Pressure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    name: str
    id: str
    image: str
    started_at: float
    usage: Usage
    rootfs: Filesystem | None = None
    logs: Filesystem | None = None


@dataclass(frozen=True, slots=True)
class PodUsage:
    """`volumes` by their name in the pod; `network` begins with the default interface."""

    namespace: str
    name: str
    uid: str
    started_at: float
    containers: Sequence[ContainerUsage]
    usage: Usage
    network: Sequence[Interface] = ()
    volumes: Mapping[str, Filesystem] = field(default_factory=dict)
    ephemeral_storage: Filesystem | None = None
    sandbox_id: str = ""


@dataclass(frozen=True, slots=True)
class NodeUsage:
    name: str
    started_at: float
    usage: Usage
    network: Sequence[Interface] = ()
    fs: Filesystem | None = None
    image_fs: Filesystem | None = None
    processes_limit: int | None = None
    cores: int = 0
    memory_capacity: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures of a node, read at `time`."""

    time: float
    node: NodeUsage
    pods: Sequence[PodUsage]
