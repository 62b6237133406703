"""The network of one cluster on one machine, as commands for `ip` and `nft`. Pure.

The host has a bridge a cluster, with the first address of the nodes' subnet; each node is a network namespace with a
veth to that bridge. Nodes route to one another's pods directly, the host routes to all of them. What leaves the
cluster is masqueraded: pods as their node, nodes as the host.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

NODE_TABLE = "pilothouse_node"


@dataclass(frozen=True)
class NodeLink:
    """A node in the network: its address in the subnet, and the pods' network behind it."""

    name: str
    index: int
    address: str
    pod_cidr: str


@dataclass(frozen=True)
class ClusterNetwork:
    """`subnet` of the nodes, the host's address in it, and the network of all pods, in CIDR or dotted form."""

    cluster: str
    subnet: str
    gateway: str
    pod_cidr: str
    dns_address: str
    nodes: tuple[NodeLink, ...]

    @property
    def tag(self) -> str:
        """Short and telling clusters apart: names of links have 15 characters in all."""
        return hashlib.sha256(self.cluster.encode()).hexdigest()[:6]

    @property
    def bridge(self) -> str:
        return f"ph{self.tag}"

    @property
    def host_table(self) -> str:
        return f"pilothouse_{self.tag}"

    def namespace(self, node: str) -> str:
        return f"pilothouse-{self.cluster}-{node}"

    def host_link(self, node: NodeLink) -> str:
        return f"ph{self.tag}-{node.index}"


def host_rules(network: ClusterNetwork) -> str:
    """The host's nft table: what leaves the cluster's bridge for elsewhere goes out as the host."""
    return f"""\
add table ip {network.host_table}
flush table ip {network.host_table}
add chain ip {network.host_table} postrouting {{ type nat hook postrouting priority srcnat; }}
add rule ip {network.host_table} postrouting ip saddr {{ {network.subnet}, {network.pod_cidr} }} \
oifname != {{ "{network.bridge}", "lo" }} masquerade
"""


def node_rules(network: ClusterNetwork, node: NodeLink) -> str:
    """A node's nft table: its pods leave the cluster's networks as the node."""
    return f"""\
add table ip {NODE_TABLE}
flush table ip {NODE_TABLE}
add chain ip {NODE_TABLE} postrouting {{ type nat hook postrouting priority srcnat + 5; }}
add rule ip {NODE_TABLE} postrouting ip saddr {node.pod_cidr} ip daddr != {network.pod_cidr} oifname "eth0" masquerade
"""


def bridge_commands(network: ClusterNetwork) -> list[str]:
    prefix = ipaddress.ip_network(network.subnet).prefixlen
    return [
        f"link add {network.bridge} type bridge",
        f"address add {network.gateway}/{prefix} dev {network.bridge}",
        f"link set {network.bridge} up",
    ]


def link_commands(network: ClusterNetwork, node: NodeLink) -> list[str]:
    """On the host: a veth from the bridge into the node's namespace."""
    outside = network.host_link(node)
    return [
        f"link add {outside} type veth peer name eth0 netns {network.namespace(node.name)}",
        f"link set {outside} master {network.bridge}",
        f"link set {outside} up",
    ]


def inside_commands(network: ClusterNetwork, node: NodeLink) -> list[str]:
    """In the node's namespace: its addresses (the cluster DNS's among them) and the way out."""
    prefix = ipaddress.ip_network(network.subnet).prefixlen
    return [
        "link set lo up",
        f"address replace {network.dns_address}/32 dev lo",
        f"address replace {node.address}/{prefix} dev eth0",
        "link set eth0 up",
        f"route replace default via {network.gateway}",
    ]


def route_commands(peers: Sequence[NodeLink]) -> list[str]:
    """The way to the pods of `peers`."""
    return [f"route replace {peer.pod_cidr} via {peer.address}" for peer in peers]
