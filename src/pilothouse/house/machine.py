"""The parts of a real cluster that are this machine's: network and what containers leave behind."""

from __future__ import annotations

import pathlib

from pilothouse.house.network import network_of, view_of
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.runtime.containerd import leftovers
from pilothouse.runtime.containerd.config import ContainerdPaths
from pilothouse.runtime.network import machine
from pilothouse.runtime.network.plan import NodeLink
from pilothouse.runtime.view import machine as view_machine


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
