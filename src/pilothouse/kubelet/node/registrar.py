"""Registers the node, keeps its status true and its Lease fresh."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus

import msgspec

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_micro_time
from pilothouse.api.types.coordination.v1 import Lease, LeaseSpec
from pilothouse.api.types.core.v1 import Node, NodeStatus
from pilothouse.api.types.meta.v1 import ObjectMeta, OwnerReference
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kubelet.node.status import Reading, new_node, node_status, same_but_for_heartbeat
from pilothouse.kubelet.node.transitions import NORMAL, NodeEvent, of_schedulability, of_status
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.recorder import Recorder
from pilothouse.machinery.backoff import Backoff
from pilothouse.machinery.client.interface import CLIENT_ERRORS, Client, StrategicMergePatch, WatchEvent

log = logging.getLogger(__name__)
LEASE_NAMESPACE = "kube-node-lease"
STATUS_CHECK_SECONDS = 10.0
READY_CHECK_SECONDS = 0.5


class Registrar:
    """The node's object and Lease. `read` gathers what the status is made of."""

    def __init__(
        self,
        options: NodeOptions,
        client: Client,
        clock: Clock,
        chance: Chance,
        recorder: Recorder,
        read: Callable[[], Awaitable[Reading]],
    ) -> None:
        self._options = options
        self._client = client
        self._clock = clock
        self._chance = chance
        self._recorder = recorder
        self._read = read
        self._told = 0.0
        self._started = False
        self._unschedulable = False
        self.node: Node | None = None

    async def register(self) -> Node:
        """Create the Node (or take over the one that is there) with its status as it stands; tries for ever."""
        backoff = Backoff(self._clock, self._chance, base=0.05, ceiling=7.0, jitter=0.5)
        while True:
            status = node_status(self._options, NodeStatus(), await self._read(), self._clock.now())
            try:
                self.node = await self._create_or_adopt(new_node(self._options, status))
                self._told = self._clock.monotonic()
                self._tell(of_status(self._options.name, NodeStatus(), status))
                return self.node
            except CLIENT_ERRORS as error:
                log.info("node %s is not registered yet: %s", self._options.name, error)
            await backoff.wait()

    async def _create_or_adopt(self, wanted: Node) -> Node:
        try:
            created = await self._client.create(wanted)
        except StatusError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise
        else:
            self._tell_start()
            return created
        held = await self._client.get(Node, self._options.name)
        self._tell_start()
        if any(held.metadata.labels.get(k) != v for k, v in wanted.metadata.labels.items()):
            body = {"metadata": {"labels": dict(wanted.metadata.labels)}}
            held = await self._client.patch(Node, self._options.name, "", StrategicMergePatch(body))
        self.node = held
        await self.report(force=True)
        return self.node

    async def report(self, *, force: bool = False) -> bool:
        """Send the status if it has changed, or was not sent for long; whether the node is ready. Raises client
        errors."""
        if self.node is None:
            return False
        old = self.node.status
        new = node_status(self._options, old, await self._read(), self._clock.now())
        ready = any(c.type == "Ready" and c.status == "True" for c in new.conditions)
        overdue = self._clock.monotonic() - self._told >= self._options.status_period
        if force or overdue or not same_but_for_heartbeat(old, new):
            patch = StrategicMergePatch({"status": _changes(old, new)})
            self.node = await self._client.patch(Node, self._options.name, "", patch, subresource="status")
            self._told = self._clock.monotonic()
            self._tell(of_status(self._options.name, old, new))
        return ready

    def _tell(self, events: Iterable[NodeEvent]) -> None:
        for event in events:
            self._recorder.node(*event)

    def _tell_start(self) -> None:
        """Told after the first answer of the API server: an event that cannot be sent holds up those behind it."""
        if not self._started:
            self._started = True
            self._recorder.node(NORMAL, "Starting", "Starting kubelet.")

    # A reflector's sink: the node's own object, whoever changes it.

    def replace(self, items: Sequence[Node], resource_version: str) -> None:
        for node in items:
            self._seen(node)

    def apply(self, event: WatchEvent[Node]) -> None:
        if event.type in ("ADDED", "MODIFIED"):
            self._seen(event.object)

    def _seen(self, node: Node) -> None:
        held = self.node
        if held is None or held.metadata.uid != node.metadata.uid or _version(node) >= _version(held):
            self.node = node
            cordoned = node.spec.unschedulable
            self._tell(of_schedulability(self._options.name, self._unschedulable, cordoned))
            self._unschedulable = cordoned

    async def refresh(self) -> Node | None:
        """The object as the API has it now; as last seen, if it cannot be asked."""
        try:
            self._seen(await self._client.get(Node, self._options.name))
        except CLIENT_ERRORS as error:
            log.info("node %s is not read: %s", self._options.name, error)
        return self.node

    async def keep_status(self) -> None:
        """Report for ever: soon again while not ready, at leisure while all is well."""
        while True:
            ready = False
            try:
                ready = await self.report()
            except StatusError as error:
                if error.code == HTTPStatus.NOT_FOUND:
                    await self.register()
                else:
                    log.info("status of node %s is not sent: %s", self._options.name, error)
            except CLIENT_ERRORS as error:
                log.info("status of node %s is not sent: %s", self._options.name, error)
            await self._clock.sleep(STATUS_CHECK_SECONDS if ready else READY_CHECK_SECONDS)

    async def keep_lease(self) -> None:
        """Renew the Lease for ever."""
        lease: Lease | None = None
        while True:
            try:
                lease = await self._renew(lease)
                delay = self._options.lease_period
            except CLIENT_ERRORS as error:
                log.info("lease of node %s is not renewed: %s", self._options.name, error)
                lease, delay = None, min(self._options.lease_period, 1.0)
            await self._clock.sleep(delay)

    async def _renew(self, lease: Lease | None) -> Lease:
        now = format_micro_time(self._clock.now())
        if lease is None:
            try:
                lease = await self._client.get(Lease, self._options.name, LEASE_NAMESPACE)
            except StatusError as error:
                if error.code != HTTPStatus.NOT_FOUND:
                    raise
                return await self._client.create(self._new_lease(now))
        spec = msgspec.structs.replace(
            lease.spec,
            holder_identity=self._options.name,
            lease_duration_seconds=self._options.lease_seconds,
            renew_time=now,
        )
        return await self._client.update(msgspec.structs.replace(lease, spec=spec))

    def _new_lease(self, now: str) -> Lease:
        owners: tuple[OwnerReference, ...] = ()
        if self.node is not None:
            meta = self.node.metadata
            owners = (OwnerReference(api_version="v1", kind="Node", name=meta.name, uid=meta.uid),)
        spec = LeaseSpec(
            holder_identity=self._options.name, lease_duration_seconds=self._options.lease_seconds, renew_time=now
        )
        meta = ObjectMeta(name=self._options.name, namespace=LEASE_NAMESPACE, owner_references=owners)
        return Lease(metadata=meta, spec=spec)


def _changes(old: NodeStatus, new: NodeStatus) -> dict[str, object]:
    """The fields of a node's status that differ; its own conditions always, for their heartbeat."""
    before, after = to_builtins(old), to_builtins(new)
    return {name: value for name, value in after.items() if name == "conditions" or before.get(name) != value}


def _version(node: Node) -> int:
    text = node.metadata.resource_version
    return int(text) if text.isdigit() else 0
