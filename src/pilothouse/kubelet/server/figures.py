"""What the node's containers use, as /stats/summary (JSON) and /metrics/resource (Prometheus text)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.api.time import format_time
from pilothouse.kit.metrics import Registry
from pilothouse.kubelet.configs import CONTAINER_NAME, POD_NAME, POD_NAMESPACE, POD_UID
from pilothouse.kubelet.server.host import Host
from pilothouse.seams.runtime import ContainerStats, FilesystemUsage


def declare(registry: Registry, host: Host) -> None:
    """The kubelet's own metrics, read when somebody looks."""

    def states() -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {}
        for held in host.held():
            for container in held.state.containers.values():
                state = (container.state.name.lower(),)
                found[state] = found.get(state, 0) + 1
        return found

    def sandboxes() -> dict[tuple[str, ...], float]:
        return {(): float(sum(held.state.sandbox() is not None for held in host.held()))}

    registry.read(
        "kubelet_node_name", "The node's name. The count is always 1.", lambda: {(host.node_name,): 1}, ("node",)
    )
    registry.read(
        "kubelet_terminated_containers_total",
        "Cumulative number of containers that ended, by kind of container, exit code and reason.",
        lambda: dict(host.terminations()),
        ("container_type", "exit_code", "reason"),
        "counter",
    )
    registry.read("kubelet_running_pods", "Number of pods that have a running pod sandbox", sandboxes)
    registry.read("kubelet_running_containers", "Number of containers by state", states, ("container_state",))


def _cpu(stats: ContainerStats) -> dict[str, Any]:
    return {"time": format_time(stats.timestamp), "usageCoreNanoSeconds": stats.cpu_usage_core_ns or 0}


def _memory(stats: ContainerStats) -> dict[str, Any]:
    found = {"time": format_time(stats.timestamp), "workingSetBytes": stats.memory_working_set or 0}
    if stats.memory_usage is not None:
        found["usageBytes"] = stats.memory_usage
    if stats.memory_rss is not None:
        found["rssBytes"] = stats.memory_rss
    return found


def _container(stats: ContainerStats) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": stats.labels.get(CONTAINER_NAME, stats.name),
        "startTime": format_time(stats.timestamp),
        "cpu": _cpu(stats),
        "memory": _memory(stats),
    }
    if stats.writable_layer is not None:
        found["rootfs"] = {"time": format_time(stats.timestamp), "usedBytes": stats.writable_layer}
    return found


def by_pod(stats: Sequence[ContainerStats]) -> Mapping[tuple[str, str, str], list[ContainerStats]]:
    """The containers' figures by pod: (namespace, name, uid)."""
    found: dict[tuple[str, str, str], list[ContainerStats]] = {}
    for item in stats:
        labels = item.labels
        if POD_UID in labels:
            key = labels.get(POD_NAMESPACE, ""), labels.get(POD_NAME, ""), labels[POD_UID]
            found.setdefault(key, []).append(item)
    return found


def summary(node: str, now: float, stats: Sequence[ContainerStats], images: FilesystemUsage | None) -> dict[str, Any]:
    """The summary; a figure nobody knows is left out."""
    time = format_time(now)
    pods = []
    for (namespace, name, uid), items in by_pod(stats).items():
        pods.append(
            {
                "podRef": {"name": name, "namespace": namespace, "uid": uid},
                "startTime": time,
                "containers": [_container(item) for item in items],
                "cpu": {"time": time, "usageCoreNanoSeconds": sum(i.cpu_usage_core_ns or 0 for i in items)},
                "memory": {"time": time, "workingSetBytes": sum(i.memory_working_set or 0 for i in items)},
            }
        )
    about: dict[str, Any] = {
        "nodeName": node,
        "startTime": time,
        "cpu": {"time": time, "usageCoreNanoSeconds": sum(i.cpu_usage_core_ns or 0 for i in stats)},
        "memory": {"time": time, "workingSetBytes": sum(i.memory_working_set or 0 for i in stats)},
    }
    if images is not None:
        used = {"time": time, "usedBytes": images.used, "inodesUsed": images.inodes_used}
        about["runtime"] = {"imageFs": used}
    return {"node": about, "pods": pods}


def resource_metrics(stats: Sequence[ContainerStats]) -> str:
    """What metrics-server reads."""
    lines: dict[str, list[str]] = {
        "container_cpu_usage_seconds_total counter Cumulative cpu time consumed by the container in core-seconds": [],
        "container_memory_working_set_bytes gauge Current working set of the container in bytes": [],
        "pod_cpu_usage_seconds_total counter Cumulative cpu time consumed by the pod in core-seconds": [],
        "pod_memory_working_set_bytes gauge Current working set of the pod in bytes": [],
        "node_cpu_usage_seconds_total counter Cumulative cpu time consumed by the node in core-seconds": [],
        "node_memory_working_set_bytes gauge Current working set of the node in bytes": [],
    }
    cpu, memory, pod_cpu, pod_memory, node_cpu, node_memory = lines.values()
    for (namespace, name, _), items in by_pod(stats).items():
        pod = f'namespace="{namespace}",pod="{name}"'
        for item in items:
            at = int(item.timestamp * 1000)
            labels = f'{{container="{item.labels.get(CONTAINER_NAME, item.name)}",{pod}}}'
            cpu.append(f"{labels} {(item.cpu_usage_core_ns or 0) / 1e9} {at}")
            memory.append(f"{labels} {item.memory_working_set or 0} {at}")
        at = int(max(item.timestamp for item in items) * 1000)
        pod_cpu.append(f"{{{pod}}} {sum(i.cpu_usage_core_ns or 0 for i in items) / 1e9} {at}")
        pod_memory.append(f"{{{pod}}} {sum(i.memory_working_set or 0 for i in items)} {at}")
    node_cpu.append(f" {sum(i.cpu_usage_core_ns or 0 for i in stats) / 1e9}")
    node_memory.append(f" {sum(i.memory_working_set or 0 for i in stats)}")
    text = []
    for family, samples in lines.items():
        name, kind, told = family.split(" ", 2)
        text += [f"# HELP {name} [STABLE] {told}", f"# TYPE {name} {kind}", *(name + sample for sample in samples)]
    return "\n".join(text) + "\n"
