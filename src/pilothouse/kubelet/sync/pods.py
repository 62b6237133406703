"""All pods of a node: from what the API and the runtime show to the right worker."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from pilothouse.api.types.core.v1 import Node, Pod, PodSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kubelet import configs
from pilothouse.kubelet.admission import Refusal
from pilothouse.kubelet.podworker import events
from pilothouse.kubelet.podworker.state import Stage, Volumes
from pilothouse.kubelet.sync.grants import Grants
from pilothouse.kubelet.sync.shop import Shop
from pilothouse.kubelet.sync.worker import PodWorker
from pilothouse.kubelet.volumes.model import VolumeError
from pilothouse.kubelet.volumes.watches import shows_metadata
from pilothouse.machinery.client.interface import WatchEvent
from pilothouse.seams.runtime import (
    Container,
    RuntimeFailure,
    Sandbox,
)
from pilothouse.semantics.pods import is_terminal

log = logging.getLogger(__name__)
REFRESH_SECONDS = 60.0
Found = dict[str, tuple[list[Sandbox], list[Container]]]


class PodSet:
    """A reflector's sink for the node's pods, and the reader of the runtime's events."""

    def __init__(self, node: Callable[[], Node | None], fresh_node: Callable[[], Awaitable[Node | None]]) -> None:
        self._node = node
        self._fresh_node = fresh_node
        self._listed = False
        self._shop: Shop | None = None
        self.workers: dict[str, PodWorker] = {}
        self.grants = Grants(self.workers, node)
        self._owners: dict[str, str] = {}
        self._found: Found = {}
        self.terminations: Counter[tuple[str, ...]] = Counter()

    def attach(self, shop: Shop) -> None:
        """Give it what its workers share; before anything else."""
        self._shop = shop

    @property
    def shop(self) -> Shop:
        assert self._shop is not None
        return self._shop

    def created(self, runtime_id: str, uid: str) -> None:
        self._owners[runtime_id] = uid

    def terminated(self, kind: str, exit_code: int, reason: str) -> None:
        self.terminations[(kind, str(exit_code), reason)] += 1

    def owner(self, runtime_id: str) -> PodWorker | None:
        """Whose sandbox or container that is."""
        return self.workers.get(self._owners.get(runtime_id, ""))

    def take_stock(self, found: Found) -> None:
        """What the runtime has from before the first pod is known, by uid."""
        self._found = found
        for uid, (sandboxes, containers) in found.items():
            self._owners.update({s.id: uid for s in sandboxes})
            self._owners.update({c.id: uid for c in containers})

    def over(self, uid: str) -> None:
        """A worker is done with its pod."""
        self.workers.pop(uid, None)
        for key in [key for key, owner in self._owners.items() if owner == uid]:
            del self._owners[key]
        self.grants.retry()

    def by_name(self, namespace: str, name: str) -> PodWorker | None:
        """The worker of a pod, the one that still is to run before one that ends."""
        found = [
            w for w in self.workers.values() if w.pod.metadata.name == name and w.pod.metadata.namespace == namespace
        ]
        return max(found, key=lambda w: w.machine.stage is Stage.SYNCING, default=None)

    # What the API shows.

    def replace(self, items: Sequence[Pod], resource_version: str) -> None:
        shown = {pod.metadata.uid for pod in items}
        for pod in items:
            self._changed(pod)
        for uid, worker in list(self.workers.items()):
            if uid not in shown:
                worker.post(events.PodRemoved())
        for uid in [uid for uid in self._found if uid not in shown and uid not in self.workers]:
            self._adopt_orphan(uid)
        if not self._listed:
            self._listed = True
            self.shop.scope.spawn(self.shop.place.keep_only(set(self.workers)), "leftovers")

    def apply(self, event: WatchEvent[Pod]) -> None:
        if event.type == "DELETED":
            worker = self.workers.get(event.object.metadata.uid)
            if worker is not None:
                worker.pod_changed(event.object)
                worker.post(events.PodRemoved())
        elif event.type != "BOOKMARK":
            self._changed(event.object)

    def _changed(self, pod: Pod) -> None:
        worker = self.workers.get(pod.metadata.uid)
        if worker is None:
            self._begin(pod)
            return
        before, now = worker.pod.metadata, pod.metadata
        worker.pod_changed(pod)
        self.grants.retry()
        if (before.labels, before.annotations) != (now.labels, now.annotations) and shows_metadata(pod):
            self.volumes_changed(pod.metadata.uid)

    def _begin(self, pod: Pod) -> None:
        worker = self.workers[pod.metadata.uid] = PodWorker(pod, self.shop)
        if pod.metadata.uid in self._found:
            self.shop.scope.spawn(self._rebuild(worker), f"rebuild/{pod.metadata.name}")
            return
        if pod.metadata.deletion_timestamp is None and not is_terminal(pod) and self._refusal(worker, self._node()):
            self.shop.scope.spawn(self._second_look(worker), f"admit/{pod.metadata.name}")
            return
        worker.post(events.RuntimeSeen((), ()))

    def _refusal(self, worker: PodWorker, node: Node | None) -> Refusal | None:
        return self.grants.refusal(worker, node, self.shop.node)

    async def _second_look(self, worker: PodWorker) -> None:
        """Refuse a pod only by the node's object as it is now: what the pod goes by may have come with it."""
        no = self._refusal(worker, await self._fresh_node())
        if no is not None:
            self.shop.recorder.pod(worker.pod, "Warning", no.reason, no.message)
            worker.post(events.PodRejected(no.reason, no.message))
        worker.post(events.RuntimeSeen((), ()))

    def _adopt_orphan(self, uid: str) -> None:
        """Containers whose pod the API has no more: end them as if it had just been deleted."""
        sandboxes, containers = self._found[uid]
        labels: Mapping[str, str] = (sandboxes or containers)[0].labels
        grace = next((int(c.annotations.get(configs.GRACE_ANNOTATION, "30")) for c in containers), 30)
        meta = ObjectMeta(
            name=labels.get(configs.POD_NAME, ""), namespace=labels.get(configs.POD_NAMESPACE, ""), uid=uid
        )
        pod = Pod(metadata=meta, spec=PodSpec(termination_grace_period_seconds=grace))
        worker = self.workers[uid] = PodWorker(pod, self.shop)
        worker.post(events.PodRemoved())
        self.shop.scope.spawn(self._rebuild(worker), f"orphan/{meta.name}")

    async def _rebuild(self, worker: PodWorker) -> None:
        """Give a worker what was left of its pod when the node's process began."""
        sandboxes, containers = self._found.pop(worker.uid)
        seen: list[Sandbox] = []
        for sandbox in sandboxes:
            with suppress(RuntimeFailure):
                seen.append(await self.shop.runtime.sandbox(sandbox.id))
        looked = [await worker.actions.look(c.id, c.sandbox_id) for c in containers]
        with suppress(VolumeError):
            await worker.actions.refresh_volumes()
        worker.post(events.RuntimeSeen(tuple(seen), tuple(c for c in looked if c is not None)))

    def volumes_changed(self, uid: str) -> None:
        """Something that a pod's volumes show has changed."""
        worker = self.workers.get(uid)
        if worker is None or worker.machine.stage is not Stage.SYNCING:
            return
        worker.post(events.VolumesChanged())
        if worker.machine.state.volumes is Volumes.MOUNTED:
            self.shop.scope.spawn(self._refresh(worker), f"refresh/{worker.pod.metadata.name}")

    async def _refresh(self, worker: PodWorker) -> None:
        with suppress(VolumeError):
            await worker.actions.refresh_volumes()

    async def refresh_volumes(self) -> None:
        """Bring ConfigMaps, Secrets and tokens in running pods up to date, and try resizes that wait again."""
        while True:
            await self.shop.clock.sleep(REFRESH_SECONDS)
            self.grants.retry()
            for worker in list(self.workers.values()):
                if worker.machine.stage is Stage.SYNCING and worker.pod.spec.volumes:
                    with suppress(VolumeError):
                        await worker.actions.refresh_volumes()
