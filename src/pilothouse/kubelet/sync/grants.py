"""What a node grants its pods: whether it takes them, and what they may have when they ask for more or less."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pilothouse.api.types.core.v1 import Node, Pod
from pilothouse.kubelet.admission import Refusal, refusal, resize_refusal
from pilothouse.kubelet.configs import NodeView
from pilothouse.kubelet.podworker.state import PendingResize, Stage
from pilothouse.kubelet.sync.worker import PodWorker
from pilothouse.semantics.requests import GUARANTEED, qos_class


class Grants:
    """Over all pods of a node, `workers` by uid; `node` is its object as last seen, None before that."""

    def __init__(self, workers: Mapping[str, PodWorker], node: Callable[[], Node | None]) -> None:
        self._workers = workers
        self._node = node

    def refusal(self, worker: PodWorker, node: Node | None, view: NodeView) -> Refusal | None:
        """Why the node, as `node` shows it, does not take a new pod."""
        if node is None:
            return None
        return refusal(
            worker.pod,
            self._others(worker.uid),
            node,
            node.status.allocatable,
            apparmor=view.apparmor,
            allowed_sysctls=view.options.allowed_sysctls,
        )

    def resize(self, pod: Pod) -> Refusal | None:
        """Why the node cannot give a pod that runs here what it now asks for; it is asked again by `retry`."""
        node = self._node()
        return None if node is None else resize_refusal(pod, self._others(pod.metadata.uid), node.status.allocatable)

    def retry(self) -> None:
        """There may be more room, or less: ask again for pods that wait for more, those of higher priority first, then
        by class of service, then who has waited longest. Upstream: sortPendingResizes."""
        waiting = [(w, w.machine.state.pending_resize) for w in self._workers.values()]

        def order(one: tuple[PodWorker, PendingResize]) -> tuple[int, bool, float]:
            worker, pending = one
            return -(worker.pod.spec.priority or 0), qos_class(worker.pod) != GUARANTEED, pending.since

        for worker, _ in sorted(((w, pending) for w, pending in waiting if pending is not None), key=order):
            worker.retry_resize()

    def _others(self, uid: str) -> list[Pod]:
        """All pods that run or are to run here but one, with what they were granted."""
        return [w.pod for w in self._workers.values() if w.uid != uid and w.machine.stage is Stage.SYNCING]
