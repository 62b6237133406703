"""What a cluster is made of: decided once by `up`, kept in `cluster.json`, read by its processes."""

from __future__ import annotations

import ipaddress
import os
import pathlib
from typing import Literal

import msgspec

from pilothouse.house.paths import Paths
from pilothouse.seams.house import HouseError, RuntimeKind


class NodeSpec(msgspec.Struct, frozen=True):
    """A node: `index` from 1 on gives its address in the cluster's subnet."""

    name: str
    index: int


class KubeconfigMark(msgspec.Struct, frozen=True):
    """Where `up` put the cluster into a kubeconfig, so that `down` can take it out again."""

    path: str
    chosen: bool = False
    """Whether the user named the file: then later commands keep to it."""


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
    listen: str = ""
    """An address of this machine that the API server listens on besides the loopback; empty for none."""
    audit_policy: str = ""
    """The text of a policy; no audit log is kept without."""
    kubelet_config: str = ""
    """The text of a KubeletConfiguration; the nodes' settings are the usual ones without."""
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
    """The cluster's spec, None if there is no such cluster. Raises HouseError if it cannot be read."""
    try:
        return msgspec.json.decode(paths.spec.read_bytes(), type=ClusterSpec)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        name = paths.state.name
        advice = f"put it back from a backup, or take the cluster away: pilothouse down --name {name}"
        raise HouseError(f"cluster {name} is broken: {paths.spec} cannot be read: {why}", advice) from None


def save(paths: Paths, spec: ClusterSpec) -> None:
    """Write it so that a crash leaves the old or the new one, never half."""
    data = msgspec.json.format(msgspec.json.encode(spec))
    write_atomically(paths.spec, data)
    write_atomically(paths.spec_copy, data)


def salvage(paths: Paths) -> ClusterSpec | None:
    """The best that is known of a cluster whose spec is damaged or lost, so that it can be taken away: the spec's copy,
    else what its directories tell. None if there is nothing of a cluster."""
    try:
        return msgspec.json.decode(paths.spec_copy.read_bytes(), type=ClusterSpec)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        pass
    if not paths.state.exists() and not paths.run.exists():
        return None
    folder = paths.state / "nodes"
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    real = any((folder / name / "containerd").exists() for name in names)
    nodes = tuple(NodeSpec(name, index) for index, name in enumerate(names, 1))
    # Addresses that nobody has (RFC 2544, RFC 5737): what is removed with them is found by its name.
    return ClusterSpec(
        paths.state.name, "containerd" if real else "simulated", 0, "", "198.51.100.0/24", "198.18.0.0/16", nodes
    )


def write_atomically(path: pathlib.Path, data: bytes, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
