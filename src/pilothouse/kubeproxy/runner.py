"""The shell around the model: hears of changes, sends differences to the kernel, serves health checks."""

from __future__ import annotations

import asyncio
import logging

from pilothouse.api.types.core.v1 import Node, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.kit.clock import Clock
from pilothouse.kubeproxy.backends.kernel import Kernel, KernelRefused
from pilothouse.kubeproxy.health import HealthPorts
from pilothouse.kubeproxy.model import Place, StaleFlow
from pilothouse.kubeproxy.state import ProxyState
from pilothouse.machinery.informer import Informers

log = logging.getLogger(__name__)
ZONE_LABEL = "topology.kubernetes.io/zone"
# Changes come in bursts (a rollout touches a slice for each pod): one transaction for what comes together.
GATHER_SECONDS = 0.01
TO_BE_DELETED_TAINT = "ToBeDeletedByClusterAutoscaler"
# How often to look whether somebody else flushed our table.
LOOK_SECONDS = 30.0
RETRY_SECONDS = 1.0
# So many Services are worked out before others get the loop.
TURN_SERVICES = 100


class ServiceProxy:
    """Keeps one node's packet rules equal to the cluster's Services.

    `table_name` must be this proxy's own in its network namespace. With the API away, the rules stay as they are. A
    transaction that the kernel refuses is followed by a whole one: the state then is unknown.
    """

    def __init__(
        self, informers: Informers, kernel: Kernel, clock: Clock, place: Place, table_name: str = "pilothouse"
    ) -> None:
        self.state = ProxyState(place, table_name)
        self.syncs = 0
        self.refusals = 0
        self.last_sync_seconds = 0.0
        self.last_updated = 0.0
        """When the kernel last had all that is known, on the wall clock."""
        self.waiting_since: float | None = None
        """Since when something waits to be sent, on the monotonic clock."""
        self.node_eligible = True
        """Whether the node stays: it is not deleted, nor marked to be."""
        self._kernel = kernel
        self._clock = clock
        self._health = HealthPorts(clock)
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
        self._stale: list[StaleFlow] = []
        self._whole = True
        self._informers = informers

    async def wait_ready(self) -> None:
        """Return when the rules of all Services were in the kernel once."""
        await self._ready.wait()

    async def run(self) -> None:
        """Keep the rules current until cancelled; they stay in the kernel then. Raises KernelRefused if this machine
        has no usable packet filter at all."""
        self._listen()
        await self._kernel.prepare()
        await self._informers.of(Service).wait_synced()
        await self._informers.of(EndpointSlice).wait_synced()
        self._changed.set()
        try:
            while True:
                await self._wait()
                await self._sync()
        finally:
            await self._health.close()

    async def remove(self) -> None:
        """Take all rules of this proxy out of the kernel."""
        ruleset = self.state.ruleset
        table = f"{ruleset.family} {ruleset.name}"
        await self._kernel.apply(f"add table {table}\ndelete table {table}\n")

    def _listen(self) -> None:
        self._informers.of(Service).add_handler(self._service_changed)
        self._informers.of(EndpointSlice).add_handler(self._slice_changed)
        self._informers.of(Node).add_handler(self._node_changed)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        if new is not None:
            self.state.put_service(new)
        elif old is not None:
            self.state.drop_service(old)
        self._change()

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if new is not None:
            self.state.put_slice(new)
        elif old is not None:
            self.state.drop_slice(old)
        self._change()

    def _node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is not None and new.metadata.name == self.state.place.node:
            going = any(t.key == TO_BE_DELETED_TAINT for t in new.spec.taints)
            self.node_eligible = not going and new.metadata.deletion_timestamp is None
            self.state.move(new.metadata.labels.get(ZONE_LABEL, ""))
            if self.state.dirty:
                self._change()

    def _change(self) -> None:
        """Something is to be sent."""
        if self.waiting_since is None:
            self.waiting_since = self._clock.monotonic()
        self._changed.set()

    async def _wait(self) -> None:
        try:
            async with self._clock.timeout(LOOK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            await self._look()
            return
        await self._clock.sleep(GATHER_SECONDS)
        self._changed.clear()

    async def _look(self) -> None:
        """Somebody else may have flushed our table."""
        ruleset = self.state.ruleset
        try:
            there = await self._kernel.has_table(ruleset.family, ruleset.name)
        except KernelRefused as error:
            log.warning("cannot look for the table %s: %s", ruleset.name, error)
            return
        if not there:
            log.warning("the table %s is gone; sending it again", ruleset.name)
            self._whole = True

    async def _sync(self) -> None:
        begun, waiting = self._clock.monotonic(), self.waiting_since
        self.waiting_since = None
        while self.state.dirty:
            self._stale.extend(self.state.update(TURN_SERVICES))
            await self._clock.sleep(0)
        ruleset = self.state.ruleset
        if self._whole:
            ruleset.forget()
        transaction = ruleset.whole() if self._whole else ruleset.difference()
        if transaction:
            try:
                await self._kernel.apply(transaction)
            except KernelRefused as error:
                log.error("rules refused: %s", error)
                self.refusals += 1
                self._whole = True
                self.waiting_since = begun if waiting is None else waiting
                self._changed.set()
                await self._clock.sleep(RETRY_SECONDS)
                return
            self._whole = False
            self.syncs += 1
            self.last_sync_seconds = self._clock.monotonic() - begun
        ruleset.committed()
        self.last_updated = self._clock.now()
        await self._forget_flows()
        await self._health.serve(self.state.health_checks())
        self._ready.set()

    async def _forget_flows(self) -> None:
        """Only after the rules are in: else a packet in between would bind a flow to the old endpoint again."""
        stale, self._stale = self._stale, []
        for flow in dict.fromkeys(stale):
            try:
                await self._kernel.forget_flow(flow)
            except KernelRefused as error:
                log.warning("flows to %s not forgotten: %s", flow.frontend, error)
