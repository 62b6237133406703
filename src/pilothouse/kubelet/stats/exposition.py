"""The figures as Prometheus text: /metrics/resource (what metrics-server scrapes) and /metrics/cadvisor. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from pilothouse.kubelet.stats.model import ContainerUsage, Cpu, Interface, Memory, PodUsage, Summary, Usage

Sample = tuple[Mapping[str, str], float, float | None]
"""Labels, value, and the time it was read (seconds), if it is told."""


class Families:
    """Metric families in the order they are first told of."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, str, list[str]]] = {}

    def add(self, name: str, kind: str, text: str, samples: Iterable[Sample]) -> None:
        lines = self._families.setdefault(name, (kind, text, []))[2]
        lines += (_line(name, labels, value, time) for labels, value, time in samples)

    def text(self) -> str:
        parts: list[str] = []
        for name, (kind, text, lines) in self._families.items():
            if lines:
                parts += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *lines]
        return "\n".join(parts) + "\n"


def _line(name: str, labels: Mapping[str, str], value: float, time: float | None) -> str:
    shown = ",".join(f'{key}="{_escaped(labels[key])}"' for key in sorted(labels))
    stamp = "" if time is None else f" {int(time * 1000)}"
    number = str(int(value)) if value == int(value) else repr(value)
    return f"{name}{{{shown}}} {number}{stamp}" if shown else f"{name} {number}{stamp}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_metrics(figures: Summary) -> str:
    """/metrics/resource."""
    families = Families()
    containers = [(_named(pod, container), container) for pod in figures.pods for container in pod.containers]
    pods = [({"namespace": pod.namespace, "pod": pod.name}, pod.usage) for pod in figures.pods]
    node: list[tuple[Mapping[str, str], Usage]] = [({}, figures.node.usage)]
    used = [(labels, container.usage) for labels, container in containers]
    families.add(
        "container_cpu_usage_seconds_total",
        "counter",
        "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
        _cpu_seconds(used),
    )
    families.add(
        "container_memory_working_set_bytes",
        "gauge",
        "[STABLE] Current working set of the container in bytes",
        _working_sets(used),
    )
    families.add(
        "container_start_time_seconds",
        "gauge",
        "[STABLE] Start time of the container since unix epoch in seconds",
        ((labels, container.started_at, None) for labels, container in containers if container.started_at),
    )
    families.add(
        "container_swap_usage_bytes",
        "gauge",
        "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems",
        _swaps(used),
    )
    families.add(
        "node_cpu_usage_seconds_total",
        "counter",
        "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
        _cpu_seconds(node),
    )
    families.add(
        "node_memory_working_set_bytes",
        "gauge",
        "[STABLE] Current working set of the node in bytes",
        _working_sets(node),
    )
    families.add(
        "node_swap_usage_bytes",
        "gauge",
        "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems",
        _swaps(node),
    )
    families.add(
        "pod_cpu_usage_seconds_total",
        "counter",
        "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
        _cpu_seconds(pods),
    )
    families.add(
        "pod_memory_working_set_bytes", "gauge", "[STABLE] Current working set of the pod in bytes", _working_sets(pods)
    )
    families.add(
        "resource_scrape_error",
        "gauge",
        "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
        [({}, 0, None)],
    )
    return families.text()


def _named(pod: PodUsage, container: ContainerUsage) -> Mapping[str, str]:
    return {"container": container.name, "namespace": pod.namespace, "pod": pod.name}


def _cpu_seconds(used: Iterable[tuple[Mapping[str, str], Usage]]) -> Iterator[Sample]:
    for labels, usage in used:
        if usage.cpu is not None:
            yield labels, usage.cpu.usage_core_ns / 1e9, usage.cpu.time


def _working_sets(used: Iterable[tuple[Mapping[str, str], Usage]]) -> Iterator[Sample]:
    for labels, usage in used:
        if usage.memory is not None:
            yield labels, usage.memory.working_set, usage.memory.time


def _swaps(used: Iterable[tuple[Mapping[str, str], Usage]]) -> Iterator[Sample]:
    for labels, usage in used:
        if usage.swap is not None:
            yield labels, usage.swap.usage, usage.swap.time


def cadvisor(figures: Summary) -> str:
    """/metrics/cadvisor: the families of cAdvisor that dashboards and alerts of Kubernetes ask for."""
    families = Families()
    node = figures.node
    families.add("machine_cpu_cores", "gauge", "Number of logical CPU cores.", [({}, node.cores, None)])
    families.add(
        "machine_memory_bytes",
        "gauge",
        "Amount of memory installed on the machine.",
        [({}, node.memory_capacity, None)],
    )
    _of_cgroup(families, {"container": "", "id": "/", "image": "", "name": "", "namespace": "", "pod": ""}, node.usage)
    for pod in figures.pods:
        shared = {"namespace": pod.namespace, "pod": pod.name}
        inside = {**shared, "id": f"/kubepods/pod{pod.uid}", "container": "", "image": "", "name": ""}
        _of_cgroup(families, inside, pod.usage)
        _network(families, {**inside, "name": pod.sandbox_id}, pod)
        for container in pod.containers:
            own = {
                **shared,
                "id": f"/kubepods/pod{pod.uid}/{container.id}",
                "container": container.name,
                "image": container.image,
                "name": container.id,
            }
            _of_cgroup(families, own, container.usage)
            _of_container(families, own, container, figures.time)
    return families.text()


def _of_cgroup(families: Families, labels: Mapping[str, str], usage: Usage) -> None:
    if usage.cpu is not None:
        _cpu(families, labels, usage.cpu)
    if usage.memory is not None:
        _memory(families, labels, usage.memory)
    if usage.swap is not None:
        swap = usage.swap
        families.add(
            "container_memory_swap", "gauge", "Container swap usage in bytes.", [(labels, swap.usage, swap.time)]
        )
    if usage.processes is not None:
        text = "Number of processes running inside the container."
        families.add("container_processes", "gauge", text, [(labels, usage.processes, None)])
    for resource, pressure in usage.pressure.items():
        for which, values in (("waiting", pressure.some), ("stalled", pressure.full)):
            name = f"container_pressure_{resource}_{which}_seconds_total"
            text = f"Total time duration tasks in the container have {'waited' if which == 'waiting' else 'stalled'}"
            families.add(name, "counter", f"{text} due to {resource} congestion.", [(labels, values[3] / 1e6, None)])


def _cpu(families: Families, labels: Mapping[str, str], cpu: Cpu) -> None:
    total = {**labels, "cpu": "total"}
    families.add(
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed in seconds.",
        [(total, cpu.usage_core_ns / 1e9, cpu.time)],
    )
    for name, text, value in (
        ("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.", cpu.periods),
        ("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.", cpu.throttled_periods),
        (
            "container_cpu_cfs_throttled_seconds_total",
            "Total time duration the container has been throttled.",
            None if cpu.throttled_ns is None else cpu.throttled_ns / 1e9,
        ),
    ):
        if value is not None:
            families.add(name, "counter", text, [(labels, value, cpu.time)])


def _memory(families: Families, labels: Mapping[str, str], memory: Memory) -> None:
    for name, text, value in (
        ("container_memory_usage_bytes", "Current memory usage in bytes, including all memory.", memory.usage),
        ("container_memory_working_set_bytes", "Current working set in bytes.", memory.working_set),
        ("container_memory_rss", "Size of RSS in bytes.", memory.rss),
        ("container_memory_cache", "Number of bytes of page cache memory.", memory.cache),
        ("container_spec_memory_limit_bytes", "Memory limit for the container.", memory.limit),
    ):
        if value is not None:
            families.add(name, "gauge", text, [(labels, value, memory.time)])
    for failure, value in (("pgfault", memory.page_faults), ("pgmajfault", memory.major_page_faults)):
        if value is not None:
            named = {**labels, "failure_type": failure, "scope": "container"}
            text = "Cumulative count of memory allocation failures."
            families.add("container_memory_failures_total", "counter", text, [(named, value, memory.time)])


def _network(families: Families, labels: Mapping[str, str], pod: PodUsage) -> None:
    for name, text, value in _NETWORK:
        samples = [({**labels, "interface": one.name}, value(one), None) for one in pod.network]
        families.add(f"container_network_{name}_total", "counter", f"Cumulative count of {text}", samples)


_NETWORK: Sequence[tuple[str, str, Callable[[Interface], int]]] = (
    ("receive_bytes", "bytes received", lambda one: one.rx_bytes),
    ("receive_errors", "errors encountered while receiving", lambda one: one.rx_errors),
    ("receive_packets", "packets received", lambda one: one.rx_packets),
    ("receive_packets_dropped", "packets dropped while receiving", lambda one: one.rx_dropped),
    ("transmit_bytes", "bytes transmitted", lambda one: one.tx_bytes),
    ("transmit_errors", "errors encountered while transmitting", lambda one: one.tx_errors),
    ("transmit_packets", "packets transmitted", lambda one: one.tx_packets),
    ("transmit_packets_dropped", "packets dropped while transmitting", lambda one: one.tx_dropped),
)


def _of_container(families: Families, labels: Mapping[str, str], container: ContainerUsage, now: float) -> None:
    families.add("container_last_seen", "gauge", "Last time a container was seen by the exporter", [(labels, now, now)])
    if container.started_at:
        text = "Start time of the container since unix epoch in seconds."
        families.add("container_start_time_seconds", "gauge", text, [(labels, container.started_at, None)])
    if container.rootfs is not None and container.rootfs.used is not None:
        text = "Number of bytes that are consumed by the container on this filesystem."
        sample = ({**labels, "device": ""}, container.rootfs.used, container.rootfs.time)
        families.add("container_fs_usage_bytes", "gauge", text, [sample])
