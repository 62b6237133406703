"""The kubelet as its server's host."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.server.host import HeldPod
from pilothouse.seams.runtime import Runtime


class KubeletHost:
    """Implements `server.host.Host`."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet

    @property
    def runtime(self) -> Runtime:
        return self._kubelet.runtime

    @property
    def node_name(self) -> str:
        return self._kubelet.options.name

    def held(self) -> Sequence[HeldPod]:
        return [HeldPod(worker.pod, worker.machine.state) for worker in self._kubelet.pods.workers.values()]

    def find(self, namespace: str, name: str) -> HeldPod | None:
        worker = self._kubelet.pods.by_name(namespace, name)
        return None if worker is None else HeldPod(worker.pod, worker.machine.state)
