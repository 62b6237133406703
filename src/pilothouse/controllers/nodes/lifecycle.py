"""Watches over nodes: those that fall silent are marked Unknown, their pods not ready, and taints follow conditions.

A node is heard of through its Lease and its status. Nothing is polled: each node has one deadline in the queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time
from pilothouse.api.types.coordination.v1 import Lease
from pilothouse.api.types.core.v1 import Node, Pod, PodCondition
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.nodes import health, zones
from pilothouse.controllers.pod_control import with_spec
from pilothouse.machinery.client import Client, StrategicMergePatch
from pilothouse.machinery.controller import Controller
from pilothouse.machinery.events import NORMAL, WARNING
from pilothouse.semantics.conditions import find

IDENTITY = "node-controller"
LEASES = "kube-node-lease"
BY_NODE = "node"
CHECK_AGAIN = 5.0
GONE = 404
replace = msgspec.structs.replace


@dataclass(slots=True)
class _Heard:
    """When a node was last heard of (monotonic), by what, and whether its pods are still to be marked not ready."""

    at: float
    sign: tuple[object, ...] = ()
    owes_marks: bool = False


def by_node(pod: Pod) -> tuple[str, ...]:
    """Index of pods by node."""
    return (pod.spec.node_name,) if pod.spec.node_name else ()


def not_ready(pod: Pod, now: float) -> Pod | None:
    """The pod with its Ready condition False; None if it is not ready anyway."""
    held = find(pod.status.conditions, "Ready")
    if held is None or held.status != "True":
        return None
    changed = replace(held, status="False", last_transition_time=format_time(now))
    conditions: tuple[PodCondition, ...] = tuple(changed if c.type == "Ready" else c for c in pod.status.conditions)
    return replace(pod, status=replace(pod.status, conditions=conditions))


class _Lifecycle:
    """Caches, memory and writes of the controller."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        settings = env.settings
        self.grace = health.Grace(settings.node_monitor_grace, settings.node_startup_grace)
        self.rates = zones.Rates(
            settings.eviction_rate,
            settings.secondary_eviction_rate,
            settings.unhealthy_zone_threshold,
            settings.large_cluster_nodes,
        )
        self.limiter = zones.Limiter()
        self.disruption = zones.Disruption()
        self.heard: dict[str, _Heard] = {}
        self.recorder = env.recorder(IDENTITY, IDENTITY)
        self.controller: Controller[str] = env.controller("node-lifecycle-controller", IDENTITY, self.reconcile)
        self.pods = self.controller.needs(Pod)
        self.pods.add_index(BY_NODE, by_node)
        self.nodes = self.controller.on(Node, self._node_changed)
        self.leases = self.controller.on(Lease, self._lease_changed)

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[str]:
        node = new if new is not None else old
        if node is None:
            return ()
        turned = self.disruption.see(node.metadata.name, new)
        if turned and not self.disruption.full:
            # We, or all of them, were cut off: everybody gets the full time to report.
            for heard in self.heard.values():
                heard.at = self.env.clock.monotonic()
        changed = self._changed(old, new)
        return [n.metadata.name for n in self.env.informers.of(Node).list()] if turned else changed

    def _changed(self, old: Node | None, new: Node | None) -> Iterable[str]:
        if new is None:
            if old is not None:
                self.heard.pop(old.metadata.name, None)
                name = old.metadata.name
                self.recorder.event(
                    old, NORMAL, "RemovingNode", f"Node {name} event: Removing Node {name} from Controller"
                )
            return ()
        name = new.metadata.name
        if name not in self.heard:
            self.recorder.event(
                new, NORMAL, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller"
            )
        self._hear(name)
        if old is not None and (old.spec, old.metadata.labels) == (new.spec, new.metadata.labels):
            same = [(c.type, c.status) for c in old.status.conditions] == [
                (c.type, c.status) for c in new.status.conditions
            ]
            if same:
                return ()
        return (name,)

    def _lease_changed(self, old: Lease | None, new: Lease | None) -> Iterable[str]:
        if new is not None and new.metadata.namespace == LEASES:
            self._hear(new.metadata.name)
        return ()

    def _hear(self, name: str) -> None:
        """Note the time if node or Lease show a new sign of life."""
        node = self.nodes.get(name) if hasattr(self, "nodes") else None
        lease = self.leases.get(name, LEASES) if hasattr(self, "leases") else None
        beat = find(node.status.conditions, "Ready") if node is not None else None
        sign = (
            node.metadata.uid if node is not None else "",
            beat.last_heartbeat_time if beat is not None else None,
            lease.spec.renew_time if lease is not None else None,
        )
        held = self.heard.get(name)
        now = self.env.clock.monotonic()
        if held is None:
            if node is not None:
                self.heard[name] = _Heard(now, sign)
        elif held.sign != sign:
            held.at, held.sign = now, sign

    async def reconcile(self, name: str, client: Client) -> None:
        node = self.nodes.get(name)
        if node is None or node.metadata.deletion_timestamp is not None:
            return
        now = self.env.clock.monotonic()
        heard = self.heard.setdefault(name, _Heard(now))
        left = heard.at + health.silence_limit(node, self.grace) - now
        if left <= 0:
            node = await self._mark_unknown(node, heard, client)
        else:
            self.controller.queue.add_after(name, left)
        if heard.owes_marks and health.ready_of(node) != "True":
            await self._mark_pods(node, client)
        heard.owes_marks = False
        await self._taint(node, client)
        if mirrored := health.labels_to_mirror(node):
            await client.patch(Node, name, "", StrategicMergePatch({"metadata": {"labels": mirrored}}))

    async def _mark_unknown(self, node: Node, heard: _Heard, client: Client) -> Node:
        before = health.ready_of(node)
        conditions = health.unknown_conditions(node, self.env.clock.now())
        if conditions is None:
            return node
        changed = replace(node, status=replace(node.status, conditions=conditions))
        node = await client.update(changed, subresource="status")
        if before == "True":
            heard.owes_marks = True
            self._tell_not_ready(node)
        return node

    def _tell_not_ready(self, node: Node) -> None:
        name = node.metadata.name
        self.recorder.event(node, NORMAL, "NodeNotReady", f"Node {name} status is now: NodeNotReady")

    async def _mark_pods(self, node: Node, client: Client) -> None:
        for pod in self.pods.by_index(BY_NODE, node.metadata.name):
            marked = not_ready(pod, self.env.clock.now())
            if marked is None:
                continue
            try:
                await client.update(marked, subresource="status")
            except StatusError as error:
                if error.code == GONE:
                    continue
                raise
            self.recorder.event(pod, WARNING, "NodeNotReady", "Node is not ready")

    async def _taint(self, node: Node, client: Client) -> None:
        may_evict, name = True, node.metadata.name
        full = self.disruption.full
        if full:
            may_evict = False
        elif health.waits_for_eviction(node):
            everyone = [node if n.metadata.name == name else n for n in self.nodes.list()]
            zone = zones.zone_of(node)
            rate = zones.rates(everyone, self.rates, self._healthy)[zone]
            wait = self.limiter.wait(zone, rate, self.env.clock.monotonic())
            may_evict = wait == 0
            if not may_evict:
                self.controller.queue.add_after(name, CHECK_AGAIN if wait is None else wait)
        wanted = health.decide_taints(node, self.env.clock.now(), may_evict=may_evict, lift=full)
        if wanted is not None:
            await client.update(with_spec(node, taints=wanted))

    def _healthy(self, node: Node) -> bool:
        """Ready, and heard of lately: when all fall silent together, the first to pass its grace must not count the
        others as well, or its pods would go although it is we who are cut off."""
        heard = self.heard.get(node.metadata.name)
        silent = self.env.clock.monotonic() - heard.at if heard is not None else 0.0
        return zones.reports_ready(node) and silent < health.silence_limit(node, self.grace) * 0.75


def build(env: Environment) -> Controller[str]:
    """Keys are names of nodes."""
    return _Lifecycle(env).controller
