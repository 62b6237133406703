"""What a cluster is made of: decided once by `up`, kept in `cluster.json`, read by its processes."""

from __future__ import annotations

import ipaddress
import os
import pathlib
from typing import Literal

import msgspec

from pilothouse.house.paths import Paths
from pilothouse.seams.house import RuntimeKind


class NodeSpec(msgspec.Struct, frozen=True):
    """A node: `index` from 1 on gives its address in the cluster's subnet."""

    name: str
    index: int


class KubeconfigMark(msgspec.Struct, frozen=True):
    """Where `up` put the cluster into a kubeconfig, so that `down` can take it out again."""

    path: str


class ClusterSpec(msgspec.Struct, frozen=True):
    """One cluster. Addresses are text in CIDR or dotted form."""

    name: str
    runtime: RuntimeKind
    api_port: int
    advertise_address: str
    node_subnet: str
    pod_cidr: str
    nodes: tuple[NodeSpec, ...] = ()
    service_cidr: str = "10.96.0.0/16"
    cluster_domain: str = "cluster.local"
    kubeconfig: KubeconfigMark | None = None
    audit_policy: str = ""
    """The text of a policy; no audit log is kept without."""
    encrypted: bool = False
    """Whether there is a file of encryption keys, without which the store cannot be read."""
    log_level: str = "info"
    log_format: Literal["text", "json"] = "text"

    @property
    def dns_address(self) -> str:
        """The cluster's DNS: the tenth address of the Service range, as clients expect."""
        return str(ipaddress.ip_network(self.service_cidr)[10])

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def gateway(self) -> str:
        """The host's address on the nodes' bridge: where nodes and pods find the API server."""
        return str(ipaddress.ip_network(self.node_subnet)[1])

    @property
    def has_pod_network(self) -> bool:
        """Whether nodes that others make get ranges of pod addresses: not where all is simulated and no node is ours,
        as upstream gives none without `--allocate-node-cidrs`."""
        return self.runtime != "simulated" or bool(self.nodes)

    def node_address(self, node: NodeSpec) -> str:
        return str(ipaddress.ip_network(self.node_subnet)[1 + node.index])

    def node_pod_cidr(self, node: NodeSpec) -> str:
        """A /24 of the pod network for each node, by its index."""
        network = ipaddress.ip_network(self.pod_cidr)
        return str(list(network.subnets(new_prefix=24))[node.index])


def load(paths: Paths) -> ClusterSpec | None:
    """The cluster's spec, None if there is no such cluster."""
    try:
        return msgspec.json.decode(paths.spec.read_bytes(), type=ClusterSpec)
    except FileNotFoundError:
        return None


def save(paths: Paths, spec: ClusterSpec) -> None:
    """Write it so that a crash leaves the old or the new one, never half."""
    write_atomically(paths.spec, msgspec.json.format(msgspec.json.encode(spec)))


def write_atomically(path: pathlib.Path, data: bytes, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
