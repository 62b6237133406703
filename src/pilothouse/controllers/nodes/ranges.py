"""Gives each node that has none a range of pod addresses, as upstream's node IPAM controller does.

The ranges are taken from the far end of the cluster's: nodes that this cluster makes itself come with one from the near
end, and may come later.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from pilothouse.api.types.core.v1 import Node
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.nodes.lifecycle import IDENTITY
from pilothouse.machinery.client import Client, StrategicMergePatch
from pilothouse.machinery.controller import Controller, ReconcileError
from pilothouse.machinery.events import NORMAL

NODE_PREFIX = 24


class Ranges:
    """The ranges of a cluster's network, each free or of a node."""

    def __init__(self, network: str, prefix: int = NODE_PREFIX) -> None:
        self._network = ipaddress.IPv4Network(network)
        self._prefix = max(prefix, self._network.prefixlen)
        self._size = 1 << (32 - self._prefix)
        self._owners: dict[int, set[str]] = {}
        self._top = self._network.num_addresses // self._size - 1
        """No range above this number is free."""

    def see(self, name: str, before: Iterable[str], after: Iterable[str]) -> None:
        """A node's ranges have changed."""
        for number in self._numbers(before):
            owners = self._owners.get(number, set())
            owners.discard(name)
            if not owners:
                self._owners.pop(number, None)
                self._top = max(self._top, number)
        for number in self._numbers(after):
            self._owners.setdefault(number, set()).add(name)

    def take(self, name: str) -> str | None:
        """A free range, which is the node's from now on; None if there is none left."""
        while self._top >= 0 and self._top in self._owners:
            self._top -= 1
        if self._top < 0:
            return None
        self._owners[self._top] = {name}
        return f"{self._network.network_address + self._top * self._size}/{self._prefix}"

    def _numbers(self, texts: Iterable[str]) -> Iterable[int]:
        """The numbers of all ranges that these networks touch; texts that are no networks touch none."""
        for text in texts:
            try:
                network = ipaddress.ip_network(text, strict=False)
            except ValueError:
                continue
            if isinstance(network, ipaddress.IPv4Network) and network.overlaps(self._network):
                first = max(int(network.network_address), int(self._network.network_address))
                last = min(int(network.broadcast_address), int(self._network.broadcast_address))
                base = int(self._network.network_address)
                yield from range((first - base) // self._size, (last - base) // self._size + 1)


def ranges_of(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    return node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ())


def build(env: Environment) -> Controller[str]:
    """Keys are names of nodes. Without a network in the settings nothing is given."""
    ranges = Ranges(env.settings.cluster_network) if env.settings.cluster_network else None
    recorder = env.recorder("cidrAllocator", IDENTITY)
    promised: dict[str, str] = {}

    async def reconcile(name: str, client: Client) -> None:
        node = nodes.get(name)
        if node is None or ranges is None or ranges_of(node):
            return
        chosen = promised.get(name) or ranges.take(name)
        if chosen is None:
            text = f"Node {name} status is now: CIDRNotAvailable"
            recorder.event(node, NORMAL, "CIDRNotAvailable", text)
            raise NoRangeError(f"no range of {env.settings.cluster_network} is left for node {name}")
        promised[name] = chosen
        body = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": chosen, "podCIDRs": [chosen]}}
        await client.patch(Node, name, "", StrategicMergePatch(body))

    def changed(old: Node | None, new: Node | None) -> Iterable[str]:
        node = new if new is not None else old
        if node is None or ranges is None:
            return ()
        name = node.metadata.name
        before, after = ranges_of(old), ranges_of(new)
        if new is None or after:
            before = (*before, *filter(None, (promised.pop(name, ""),)))
        if before != after:
            ranges.see(name, before, after)
        return (name,) if new is not None and not after else ()

    controller = env.controller("node-ipam-controller", IDENTITY, reconcile, workers=1)
    nodes = controller.on(Node, changed)
    return controller


class NoRangeError(ReconcileError):
    """All ranges are taken."""
