"""What the runtime shows, to the workers it concerns."""

from __future__ import annotations

import logging
from contextlib import suppress

from pilothouse.kubelet import configs
from pilothouse.kubelet.podworker import events
from pilothouse.kubelet.sync.pods import Found, PodSet
from pilothouse.kubelet.sync.shop import RUNTIME_RETRY, Shop
from pilothouse.kubelet.sync.worker import PodWorker
from pilothouse.seams.runtime import (
    Container,
    ContainerState,
    EventType,
    RuntimeEvent,
    RuntimeFailure,
    Sandbox,
    SandboxState,
)

log = logging.getLogger(__name__)
RELIST_SECONDS = 2.0
# An event runs ahead of the runtime's own view by some milliseconds.
SETTLING = (0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)


class RuntimeWatch:
    """Reads the runtime's events; after a gap, everything."""

    def __init__(self, pods: PodSet) -> None:
        self._pods = pods
        self._relisting = False

    @property
    def shop(self) -> Shop:
        return self._pods.shop

    async def inventory(self) -> None:
        """Look over what runs already, before the first pod is known."""
        self._pods.take_stock(await self._listing())

    async def _listing(self) -> Found:
        while True:
            try:
                sandboxes = await self.shop.runtime.sandboxes()
                containers = await self.shop.runtime.containers()
                break
            except RuntimeFailure as error:
                log.info("the runtime does not list: %s; asking again", error)
                await self.shop.clock.sleep(RUNTIME_RETRY)
        found: Found = {}
        for sandbox in sandboxes:
            if configs.POD_UID in sandbox.labels:
                found.setdefault(sandbox.labels[configs.POD_UID], ([], []))[0].append(sandbox)
        for container in containers:
            if configs.POD_UID in container.labels:
                found.setdefault(container.labels[configs.POD_UID], ([], []))[1].append(container)
        return found

    async def run(self) -> None:
        """Take in the runtime's events for ever."""
        first = True
        async for event in self.shop.runtime.events():
            if event.type is EventType.RELIST:
                if not first and not self._relisting:
                    self._relisting = True
                    self.shop.scope.spawn(self._relist(), "relist")
                first = False
            elif event.type in (EventType.STOPPED, EventType.DELETED):
                self.shop.scope.spawn(self._look(event), "look")

    async def _look(self, event: RuntimeEvent) -> None:
        worker = self._pods.owner(event.id)
        if worker is None:
            return
        if event.id in worker.machine.state.sandboxes:
            await self._look_at_sandbox(worker, event.id)
            return
        found = await worker.actions.look(event.id)
        for delay in SETTLING:
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
        waiting = set(self._pods.workers)
        while waiting:
            self._relisting = True
            listing = await self._listing()
            for uid in list(waiting):
                worker = self._pods.workers.get(uid)
                if worker is None or not worker.machine.state.rebuilt:
                    waiting.discard(uid)
                elif worker.quiet():
                    waiting.discard(uid)
                    await self._compare(worker, *listing.get(uid, ([], [])))
            self._relisting = False
            await self.shop.clock.sleep(RELIST_SECONDS)

    async def _compare(self, worker: PodWorker, sandboxes: list[Sandbox], containers: list[Container]) -> None:
        seen: list[Sandbox] = []
        for sandbox in sandboxes:
            with suppress(RuntimeFailure):
                seen.append(await self.shop.runtime.sandbox(sandbox.id))
        looked = [await worker.actions.look(c.id, c.sandbox_id) for c in containers]
        if worker.quiet():
            worker.post(events.RuntimeSeen(tuple(seen), tuple(c for c in looked if c is not None)))
