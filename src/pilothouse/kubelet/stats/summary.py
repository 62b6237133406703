"""The figures as /stats/summary tells them: JSON of stats/v1alpha1. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.api.time import format_time
from pilothouse.kubelet.stats.model import (
    ContainerUsage,
    Cpu,
    Filesystem,
    Interface,
    Memory,
    NodeUsage,
    PodUsage,
    Pressure,
    Summary,
    Swap,
    Usage,
)


def summary(figures: Summary) -> dict[str, Any]:
    """The whole answer; a figure that nobody knows is left out."""
    return {"node": _node(figures.node, figures.time), "pods": [_pod(pod, figures.time) for pod in figures.pods]}


def _known(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _usage(usage: Usage) -> dict[str, Any]:
    return _known(
        cpu=_cpu(usage.cpu, usage.pressure.get("cpu")),
        memory=_memory(usage.memory, usage.pressure.get("memory")),
        swap=_swap(usage.swap),
        io=_io(usage),
    )


def _cpu(cpu: Cpu | None, pressure: Pressure | None) -> dict[str, Any] | None:
    if cpu is None:
        return None
    return _known(
        time=format_time(cpu.time),
        usageNanoCores=cpu.usage_nano_cores,
        usageCoreNanoSeconds=cpu.usage_core_ns,
        psi=_psi(pressure),
    )


def _memory(memory: Memory | None, pressure: Pressure | None) -> dict[str, Any] | None:
    if memory is None:
        return None
    return _known(
        time=format_time(memory.time),
        availableBytes=memory.available,
        usageBytes=memory.usage,
        workingSetBytes=memory.working_set,
        rssBytes=memory.rss,
        pageFaults=memory.page_faults,
        majorPageFaults=memory.major_page_faults,
        psi=_psi(pressure),
    )


def _swap(swap: Swap | None) -> dict[str, Any] | None:
    if swap is None:
        return None
    return _known(time=format_time(swap.time), swapAvailableBytes=swap.available, swapUsageBytes=swap.usage)


def _io(usage: Usage) -> dict[str, Any] | None:
    pressure = usage.pressure.get("io")
    if pressure is None or usage.cpu is None:
        return None
    return {"time": format_time(usage.cpu.time), "psi": _psi(pressure)}


def _psi(pressure: Pressure | None) -> dict[str, Any] | None:
    if pressure is None:
        return None

    def told(values: tuple[float, float, float, int]) -> dict[str, Any]:
        return {"total": values[3], "avg10": values[0], "avg60": values[1], "avg300": values[2]}

    return {"full": told(pressure.full), "some": told(pressure.some)}


def _filesystem(fs: Filesystem | None) -> dict[str, Any] | None:
    if fs is None:
        return None
    return _known(
        time=format_time(fs.time),
        availableBytes=fs.available,
        capacityBytes=fs.capacity,
        usedBytes=fs.used,
        inodesFree=fs.inodes_free,
        inodes=fs.inodes,
        inodesUsed=fs.inodes_used,
    )


def _interface(interface: Interface) -> dict[str, Any]:
    return {
        "name": interface.name,
        "rxBytes": interface.rx_bytes,
        "rxErrors": interface.rx_errors,
        "txBytes": interface.tx_bytes,
        "txErrors": interface.tx_errors,
    }


def _network(interfaces: Sequence[Interface], time: float) -> dict[str, Any] | None:
    """The default interface's members stand beside the list of all."""
    if not interfaces:
        return None
    every = [_interface(interface) for interface in interfaces]
    return {"time": format_time(time), **every[0], "interfaces": every}


def _container(container: ContainerUsage) -> dict[str, Any]:
    return {
        "name": container.name,
        "startTime": format_time(container.started_at),
        **_usage(container.usage),
        **_known(rootfs=_filesystem(container.rootfs), logs=_filesystem(container.logs)),
    }


def _pod(pod: PodUsage, time: float) -> dict[str, Any]:
    return {
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "startTime": format_time(pod.started_at),
        "containers": [_container(container) for container in pod.containers],
        **_usage(pod.usage),
        **_known(network=_network(pod.network, time), volume=_volumes(pod.volumes)),
        **_known(
            **{"ephemeral-storage": _filesystem(pod.ephemeral_storage)},
            process_stats=None if pod.usage.processes is None else {"process_count": pod.usage.processes},
        ),
    }


def _volumes(volumes: Mapping[str, Filesystem]) -> list[dict[str, Any]] | None:
    return [{**(_filesystem(fs) or {}), "name": name} for name, fs in volumes.items()] or None


def _node(node: NodeUsage, time: float) -> dict[str, Any]:
    runtime = _known(imageFs=_filesystem(node.image_fs), containerFs=_filesystem(node.image_fs))
    limits = {"time": format_time(time), "maxpid": node.processes_limit, "curproc": node.usage.processes}
    return {
        "nodeName": node.name,
        "startTime": format_time(node.started_at),
        **_usage(node.usage),
        **_known(
            network=_network(node.network, time),
            fs=_filesystem(node.fs),
            runtime=runtime or None,
            rlimit=None if node.processes_limit is None else limits,
        ),
    }
