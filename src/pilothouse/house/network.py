"""The namespaces that a cluster's nodes live in: light to import, for the supervisor needs it too."""

from __future__ import annotations

import os
import pathlib
import sys

from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.runtime.network import machine
from pilothouse.runtime.network.plan import ClusterNetwork, NodeLink
from pilothouse.runtime.view import machine as view_machine
from pilothouse.runtime.view import plan as view_plan
from pilothouse.runtime.view.plan import NodeView


def network_of(spec: ClusterSpec) -> ClusterNetwork:
    nodes = tuple(NodeLink(n.name, n.index, spec.node_address(n), spec.node_pod_cidr(n)) for n in spec.nodes)
    return ClusterNetwork(spec.name, spec.node_subnet, spec.gateway, spec.pod_cidr, spec.dns_address, nodes)


def view_of(paths: Paths, spec: ClusterSpec, node: NodeSpec) -> NodeView:
    """How the node sees the machine. It needs of it its own files, this program, the programs that it calls, and the
    resolver's configuration, wherever they lie. What else clusters keep on this machine, their keys first of all, is
    hidden from it: the node's process has a descriptor of its cluster's (`house/members.py`), which no container
    gets."""
    program = [sys.prefix, sys.base_prefix, *sys.path, *os.environ.get("PATH", "").split(":")]
    needed = [paths.run, *map(pathlib.Path, filter(os.path.isdir, program))]
    resolver = pathlib.Path("/etc/resolv.conf").resolve()
    folders, own = (paths.state.parent, paths.state), paths.node_state(node.name)
    return NodeView(
        spec.name,
        node.name,
        spec.node_address(node),
        own=own.resolve() / "root",
        pins=paths.node_run(node.name).resolve() / "ns",
        kept=(resolver, resolver.parent, *(path.absolute() for path in needed), *(path.resolve() for path in needed)),
        hidden=tuple(
            dict.fromkeys(name for path in folders for name in view_plan.names(path.absolute(), path.resolve()))
        ),
        shown=tuple(dict.fromkeys((own.absolute(), own.resolve()))),
    )


def in_namespaces(paths: Paths, spec: ClusterSpec, node: NodeSpec) -> tuple[str, ...]:
    """The words before a command that make it run in the node's network and view of the machine."""
    return (*machine.enter(network_of(spec), node.name), *view_machine.enter(view_of(paths, spec, node)))
