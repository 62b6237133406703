"""The kubelet as its server's host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Registry
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.server.host import HeldPod
from pilothouse.kubelet.stats.collector import Collector, Source
from pilothouse.kubelet.stats.model import Summary
from pilothouse.seams.runtime import Runtime


class KubeletHost:
    """Implements `server.host.Host`."""

    def __init__(self, kubelet: Kubelet, source: Source, clock: Clock) -> None:
        self._kubelet = kubelet
        self._collector = Collector(source, kubelet.runtime, clock, self.held, kubelet.pods.shop.place.written)

    @property
    def options(self) -> NodeOptions:
        return self._kubelet.options

    @property
    def probe_metrics(self) -> Registry:
        return self._kubelet.pods.shop.prober.metrics

    async def usage(self) -> Summary:
        return await self._collector.read()

    @property
    def runtime(self) -> Runtime:
        return self._kubelet.runtime

    @property
    def node_name(self) -> str:
        return self._kubelet.options.name

    @property
    def log_root(self) -> Path | None:
        return self._kubelet.options.log_root

    def terminations(self) -> Mapping[tuple[str, ...], float]:
        return self._kubelet.pods.terminations

    def held(self) -> Sequence[HeldPod]:
        return [HeldPod(worker.pod, worker.machine.state) for worker in self._kubelet.pods.workers.values()]

    def find(self, namespace: str, name: str) -> HeldPod | None:
        worker = self._kubelet.pods.by_name(namespace, name)
        return None if worker is None else HeldPod(worker.pod, worker.machine.state)
