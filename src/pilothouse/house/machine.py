"""The parts of a real cluster that are this machine's: network and what containers leave behind."""

from __future__ import annotations

import pathlib
import sys
from http import HTTPStatus

import pilothouse
from pilothouse.house.administrator import request
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.runtime.containerd import leftovers
from pilothouse.runtime.containerd.config import ContainerdPaths
from pilothouse.runtime.network import machine
from pilothouse.runtime.network.plan import ClusterNetwork, NodeLink
from pilothouse.runtime.view import machine as view_machine
from pilothouse.runtime.view.plan import NodeView
from pilothouse.seams.house import HouseError


def network_of(spec: ClusterSpec) -> ClusterNetwork:
    nodes = tuple(NodeLink(n.name, n.index, spec.node_address(n), spec.node_pod_cidr(n)) for n in spec.nodes)
    return ClusterNetwork(spec.name, spec.node_subnet, spec.gateway, spec.pod_cidr, spec.dns_address, nodes)


def view_of(paths: Paths, spec: ClusterSpec, node: NodeSpec) -> NodeView:
    """How the node sees the machine. It needs of it this program and its interpreter, what the cluster keeps, and the
    resolver's configuration, wherever they lie."""
    resolver = pathlib.Path("/etc/resolv.conf").resolve().parent
    kept = [paths.state, paths.run, pathlib.Path(sys.prefix), pathlib.Path(sys.base_prefix), resolver]
    kept += [pathlib.Path(pilothouse.__file__).parents[1]]
    return NodeView(
        spec.name,
        node.name,
        own=paths.node_state(node.name).absolute() / "root",
        pins=paths.node_run(node.name).absolute() / "ns",
        kept=tuple(path.absolute() for path in kept),
    )


def in_namespaces(paths: Paths, spec: ClusterSpec, node: NodeSpec) -> tuple[str, ...]:
    """The words before a command that make it run in the node's network and view of the machine."""
    return (*machine.enter(network_of(spec), node.name), *view_machine.enter(view_of(paths, spec, node)))


def containerd_paths(paths: Paths, node: NodeSpec) -> ContainerdPaths:
    return ContainerdPaths(root=paths.node_state(node.name) / "containerd", state=paths.node_run(node.name) / "c")


def cgroup_parent(spec: ClusterSpec, node: NodeSpec) -> str:
    """The cgroup that everything of a node's containers is below."""
    return f"/pilothouse-{spec.name}-{node.name}"


def _forwarding_mark(paths: Paths) -> pathlib.Path:
    """Beside all clusters: says that the host did not forward packets before the first of them came."""
    return paths.state.parent / ".forwarding-was-off"


def ensure_network(paths: Paths, spec: ClusterSpec) -> bool:
    """The nodes' network and views of the machine, as they should be; whether anything was missing."""
    made = machine.ensure(network_of(spec))
    for node in spec.nodes:
        made |= view_machine.ensure(view_of(paths, spec, node))
    if not machine.forwarding():
        _forwarding_mark(paths).touch()
        machine.set_forwarding(True)
    return made


def remove_network(paths: Paths, spec: ClusterSpec) -> None:
    """The nodes' views and network."""
    for node in spec.nodes:
        view_machine.remove(view_of(paths, spec, node))
    machine.remove(network_of(spec))
    mark = _forwarding_mark(paths)
    others = [file for file in paths.state.parent.glob("*/cluster.json") if file != paths.spec]
    # Clusters kept elsewhere (another user's, a test's) have bridges on this machine too.
    if mark.exists() and not others and not machine.bridges():
        machine.set_forwarding(False)
        mark.unlink()


def remove_node_runtime(paths: Paths, spec: ClusterSpec, node: NodeSpec) -> None:
    """The node's containers, containerd and volumes: processes, mounts, cgroups, files."""
    leftovers.end(containerd_paths(paths, node), cgroup_parent(spec, node), remove=True)
    view_machine.remove(view_of(paths, spec, node))
    for folder in (paths.node_state(node.name), paths.node_run(node.name)):
        leftovers.unmount_all(folder)
        leftovers.remove_tree(folder)


def remove_node(paths: Paths, spec: ClusterSpec, node: NodeSpec) -> None:
    """All of a node that is on this machine; its Node object is another matter."""
    remove_node_runtime(paths, spec, node)
    link = NodeLink(node.name, node.index, spec.node_address(node), spec.node_pod_cidr(node))
    machine.remove_node(network_of(spec), link)


def forget_node_object(paths: Paths, spec: ClusterSpec, node: NodeSpec) -> None:
    """Delete the Node; its pods go with it (pod garbage collection). One that is gone already is fine."""
    status, body = request(paths, spec, "DELETE", f"/api/v1/nodes/{node.name}")
    if status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
        raise HouseError(f"Node {node.name} was not deleted: {body.decode(errors='replace')}")
