"""All pods of a node: from what the API and the runtime show to the right worker."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from pilothouse.api.types.core.v1 import Node, Pod, PodSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kubelet import configs
from pilothouse.kubelet.admission import refusal
from pilothouse.kubelet.podworker import events
from pilothouse.kubelet.podworker.state import Stage
from pilothouse.kubelet.sync.shop import RUNTIME_RETRY, Shop
from pilothouse.kubelet.sync.worker import PodWorker
from pilothouse.kubelet.volumes.model import VolumeError
from pilothouse.machinery.client.interface import WatchEvent
from pilothouse.seams.runtime import (
    Container,
    ContainerState,
    EventType,
    RuntimeEvent,
    RuntimeFailure,
    Sandbox,
    SandboxState,
)
from pilothouse.semantics.pods import is_terminal

log = logging.getLogger(__name__)
REFRESH_SECONDS = 60.0
RELIST_SECONDS = 2.0
SETTLING = (0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)


class PodSet:
    """A reflector's sink for the node's pods, and the reader of the runtime's events."""

    def __init__(self, node: Callable[[], Node | None]) -> None:
        self._node = node
        self._shop: Shop | None = None
        self.workers: dict[str, PodWorker] = {}
        self._owners: dict[str, str] = {}
        self._found: dict[str, tuple[list[Sandbox], list[Container]]] = {}

    def attach(self, shop: Shop) -> None:
        """Give it what its workers share; before anything else."""
        self._shop = shop

    @property
    def shop(self) -> Shop:
        assert self._shop is not None
        return self._shop

    def created(self, runtime_id: str, uid: str) -> None:
        self._owners[runtime_id] = uid

    def over(self, uid: str) -> None:
        """A worker is done with its pod."""
        self.workers.pop(uid, None)
        for key in [key for key, owner in self._owners.items() if owner == uid]:
            del self._owners[key]

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
        else:
            worker.pod_changed(pod)

    def _begin(self, pod: Pod) -> None:
        worker = self.workers[pod.metadata.uid] = PodWorker(pod, self.shop)
        if pod.metadata.uid in self._found:
            self.shop.scope.spawn(self._rebuild(worker), f"rebuild/{pod.metadata.name}")
            return
        node = self._node()
        if node is not None and pod.metadata.deletion_timestamp is None and not is_terminal(pod):
            others = [w.pod for w in self.workers.values() if w is not worker and w.machine.stage is Stage.SYNCING]
            if (no := refusal(pod, others, node, node.status.allocatable)) is not None:
                self.shop.recorder.pod(pod, "Warning", no.reason, no.message)
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

    # What the runtime shows.

    async def inventory(self) -> None:
        """Look over what runs already, before the first pod is known."""
        self._found = await self._listing()
        for uid, (sandboxes, containers) in self._found.items():
            self._owners.update({s.id: uid for s in sandboxes})
            self._owners.update({c.id: uid for c in containers})

    async def _listing(self) -> dict[str, tuple[list[Sandbox], list[Container]]]:
        while True:
            try:
                sandboxes = await self.shop.runtime.sandboxes()
                containers = await self.shop.runtime.containers()
                break
            except RuntimeFailure as error:
                log.info("the runtime does not list: %s; asking again", error)
                await self.shop.clock.sleep(RUNTIME_RETRY)
        found: dict[str, tuple[list[Sandbox], list[Container]]] = {}
        for sandbox in sandboxes:
            if configs.POD_UID in sandbox.labels:
                found.setdefault(sandbox.labels[configs.POD_UID], ([], []))[0].append(sandbox)
        for container in containers:
            if configs.POD_UID in container.labels:
                found.setdefault(container.labels[configs.POD_UID], ([], []))[1].append(container)
        return found

    async def watch_runtime(self) -> None:
        """Take in the runtime's events for ever."""
        first = True
        async for event in self.shop.runtime.events():
            if event.type is EventType.RELIST:
                if not first:
                    self.shop.scope.spawn(self._relist(), "relist")
                first = False
            elif event.type in (EventType.STOPPED, EventType.DELETED):
                self.shop.scope.spawn(self._look(event), "look")

    async def _look(self, event: RuntimeEvent) -> None:
        worker = self.workers.get(self._owners.get(event.id, ""))
        if worker is None:
            return
        if event.id in worker.machine.state.sandboxes:
            await self._look_at_sandbox(worker, event.id)
            return
        found = await worker.actions.look(event.id)
        for delay in SETTLING:
            # The event runs ahead of the runtime's own view by some milliseconds.
            if found is None or found.state is ContainerState.EXITED:
                break
            await self.shop.clock.sleep(delay)
            found = await worker.actions.look(event.id)
        worker.post(events.ContainerStopped(event.id, None) if found is None else events.ContainerSeen(found))

    async def _look_at_sandbox(self, worker: PodWorker, sandbox_id: str) -> None:
        for delay in SETTLING:
            with suppress(RuntimeFailure):
                found = await self.shop.runtime.sandbox(sandbox_id)
                if found.state is SandboxState.NOT_READY:
                    worker.post(events.SandboxSeen(found))
                    return
            await self.shop.clock.sleep(delay)

    async def _relist(self) -> None:
        """Events were missed: compare everything, those that are busy a little later."""
        waiting = set(self.workers)
        while waiting:
            listing = await self._listing()
            for uid in list(waiting):
                worker = self.workers.get(uid)
                if worker is None or not worker.machine.state.rebuilt:
                    waiting.discard(uid)
                elif worker.quiet():
                    waiting.discard(uid)
                    await self._compare(worker, *listing.get(uid, ([], [])))
            await self.shop.clock.sleep(RELIST_SECONDS)

    async def _compare(self, worker: PodWorker, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        seen: list[Sandbox] = []
        for sandbox in sandboxes:
            with suppress(RuntimeFailure):
                seen.append(await self.shop.runtime.sandbox(sandbox.id))
        looked = [await worker.actions.look(c.id, c.sandbox_id) for c in containers]
        if worker.quiet():
            worker.post(events.RuntimeSeen(tuple(seen), tuple(c for c in looked if c is not None)))

    async def refresh_volumes(self) -> None:
        """Bring ConfigMaps, Secrets and tokens in running pods up to date, for ever."""
        while True:
            await self.shop.clock.sleep(REFRESH_SECONDS)
            for worker in list(self.workers.values()):
                if worker.machine.stage is Stage.SYNCING and worker.pod.spec.volumes:
                    with suppress(VolumeError):
                        await worker.actions.refresh_volumes()
