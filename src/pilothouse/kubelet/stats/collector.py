"""Puts the figures of a node together when somebody asks: what the runtime counts, and on a real node what the kernel
knows of cgroups, networks and file systems."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from pilothouse.api.types.core.v1 import Pod
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.stats.model import (
    ContainerUsage,
    Cpu,
    Filesystem,
    Interface,
    Memory,
    NodeUsage,
    PodUsage,
    Summary,
    Usage,
)
from pilothouse.seams.runtime import Container, ContainerState, ContainerStats, FilesystemUsage

# Whoever asks more often gets what was read last.
FRESH_SECONDS = 1.0
SHORTEST_RATE_SECONDS = 0.1
# KubeletConfiguration's volumeStatsAggPeriod.
VOLUME_SECONDS = 60.0


class Source(Protocol):
    """Where the figures come from beside the runtime's own. Blocking: called in a thread."""

    def pod(self, pod: Pod, now: float) -> Usage | None:
        """What the pod's cgroup has used."""
        ...

    def container(self, pod: Pod, container: Container, now: float) -> Usage | None: ...

    def network(self, pod: Pod) -> Sequence[Interface]:
        """The pod's own interfaces; none of a pod in the node's network."""
        ...

    def node(self, now: float) -> NodeUsage:
        """The node's own figures."""
        ...


class Nothing:
    """The source of a simulated node: only the runtime knows anything."""

    def __init__(self, name: str) -> None:
        self._name = name

    def pod(self, pod: Pod, now: float) -> Usage | None:
        return None

    def container(self, pod: Pod, container: Container, now: float) -> Usage | None:
        return None

    def network(self, pod: Pod) -> Sequence[Interface]:
        return ()

    def node(self, now: float) -> NodeUsage:
        return NodeUsage(self._name, 0.0, Usage())


class Running(Protocol):
    """A pod of the node, as the kubelet holds it."""

    @property
    def pod(self) -> Pod: ...

    def containers(self) -> Sequence[Container]: ...

    def sandbox_id(self) -> str: ...


class Counting(Protocol):
    """The part of the runtime that counts."""

    async def container_stats(self) -> Sequence[ContainerStats]: ...

    async def filesystem(self) -> FilesystemUsage: ...


class Collector:
    """Reads all figures of one node. `held` are its pods, `written` what a pod has on the node's disk, by volume (""
    stands for its logs and what else is its own)."""

    def __init__(
        self,
        source: Source,
        runtime: Counting,
        clock: Clock,
        held: Callable[[], Sequence[Running]],
        written: Callable[[Pod], Awaitable[Mapping[str, int]]] | None = None,
    ) -> None:
        self._source = source
        self._runtime = runtime
        self._clock = clock
        self._held = held
        self._written = written
        self._sizes: dict[str, tuple[float, Mapping[str, int]]] = {}
        self._last: Summary | None = None
        self._read_at = float("-inf")
        self._counters: dict[str, Cpu] = {}
        self._reading = asyncio.Lock()

    async def read(self) -> Summary:
        """The figures, not older than a second."""
        async with self._reading:
            if self._last is None or self._clock.monotonic() - self._read_at > FRESH_SECONDS:
                stats = {item.id: item for item in await self._runtime.container_stats()}
                images = await self._runtime.filesystem()
                held = [one for one in self._held() if one.sandbox_id()]
                await self._measure([one.pod for one in held])
                self._last = await asyncio.to_thread(self._collect, held, stats, images)
                self._read_at = self._clock.monotonic()
            return self._last

    async def _measure(self, pods: Sequence[Pod]) -> None:
        """Look how much the pods have on disk, each once in VOLUME_SECONDS: folders are walked for it."""
        now, sizes = self._clock.monotonic(), {}
        for pod in pods:
            known = self._sizes.get(pod.metadata.uid)
            if self._written is not None and (known is None or now - known[0] > VOLUME_SECONDS):
                known = now, await self._written(pod)
            sizes[pod.metadata.uid] = known or (now, {})
        self._sizes = sizes

    def _collect(
        self, held: Sequence[Running], stats: Mapping[str, ContainerStats], images: FilesystemUsage
    ) -> Summary:
        now = self._clock.now()
        pods = [self._pod(one, stats, now) for one in held]
        node = self._source.node(now)
        if node.usage.cpu is None:
            node = replace(node, usage=_sum([pod.usage for pod in pods], now))
        fs = replace(node.fs, used=images.used) if node.fs is not None else Filesystem(now, used=images.used)
        node = replace(node, image_fs=replace(fs, inodes_used=images.inodes_used))
        summary = Summary(now, node, pods)
        return self._with_rates(summary)

    def _pod(self, one: Running, stats: Mapping[str, ContainerStats], now: float) -> PodUsage:
        pod = one.pod
        containers = [self._container(pod, c, stats.get(c.id), now) for c in _latest(one.containers())]
        used = self._source.pod(pod, now) or _sum([c.usage for c in containers], now)
        written = dict(self._sizes[pod.metadata.uid][1])
        own = sum(c.rootfs.used or 0 for c in containers if c.rootfs is not None)
        total = own + sum(written.values())
        written.pop("", None)
        return PodUsage(
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            uid=pod.metadata.uid,
            started_at=min((c.started_at for c in containers), default=now),
            containers=containers,
            usage=used,
            network=self._source.network(pod),
            volumes={name: Filesystem(now, used=size) for name, size in written.items()},
            ephemeral_storage=Filesystem(now, used=total),
            sandbox_id=one.sandbox_id(),
        )

    def _container(self, pod: Pod, container: Container, stats: ContainerStats | None, now: float) -> ContainerUsage:
        used = self._source.container(pod, container, now) or _of_runtime(stats, now)
        layer = stats.writable_layer if stats is not None else None
        rootfs = None if layer is None else Filesystem(now, used=layer)
        return ContainerUsage(container.name, container.id, container.image, container.started_at, used, rootfs)

    def _with_rates(self, summary: Summary) -> Summary:
        """The summary with `usage_nano_cores`, and its counters kept for the next."""
        counters: dict[str, Cpu] = {}

        def rated(key: str, usage: Usage) -> Usage:
            cpu, before = usage.cpu, self._counters.get(key)
            if cpu is None:
                return usage
            counters[key] = cpu
            if before is None or cpu.time - before.time < SHORTEST_RATE_SECONDS:
                return usage
            rate = max(cpu.usage_core_ns - before.usage_core_ns, 0) / (cpu.time - before.time)
            return replace(usage, cpu=replace(cpu, usage_nano_cores=int(rate)))

        pods = []
        for pod in summary.pods:
            containers = [replace(c, usage=rated(f"container/{c.id}", c.usage)) for c in pod.containers]
            pods.append(replace(pod, containers=containers, usage=rated(f"pod/{pod.uid}", pod.usage)))
        node = replace(summary.node, usage=rated("node", summary.node.usage))
        self._counters = counters
        return Summary(summary.time, node, pods)


def _latest(containers: Sequence[Container]) -> list[Container]:
    """The running containers, in the order of their names."""
    running = [c for c in containers if c.state is ContainerState.RUNNING]
    return sorted(running, key=lambda c: c.name)


def _of_runtime(stats: ContainerStats | None, now: float) -> Usage:
    if stats is None:
        return Usage()
    time = stats.timestamp or now
    return Usage(
        Cpu(time, stats.cpu_usage_core_ns or 0),
        Memory(time, stats.memory_working_set or 0, stats.memory_usage, rss=stats.memory_rss),
    )


def _sum(parts: Sequence[Usage], now: float) -> Usage:
    cpu = sum(part.cpu.usage_core_ns for part in parts if part.cpu is not None)
    memory = sum(part.memory.working_set for part in parts if part.memory is not None)
    return Usage(Cpu(now, cpu), Memory(now, memory))
