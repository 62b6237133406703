"""The processes that a cluster consists of."""

from __future__ import annotations

from pilothouse.house.daemon import Daemon, own_command
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec, NodeSpec

CONTROL_PLANE = "control-plane"
SUPERVISOR = "supervisor"


def control_plane(paths: Paths, spec: ClusterSpec) -> Daemon:
    """API server, controllers and scheduler: one process. On a simulated cluster the nodes live in it too."""
    command = own_command(CONTROL_PLANE, spec.name)
    return Daemon(CONTROL_PLANE, command, paths.lock(CONTROL_PLANE), paths.log(CONTROL_PLANE))


def supervisor(paths: Paths, spec: ClusterSpec) -> Daemon:
    """Starts the others again when they end by themselves."""
    command = own_command(SUPERVISOR, spec.name)
    return Daemon(SUPERVISOR, command, paths.lock(SUPERVISOR), paths.log(SUPERVISOR))


def node(paths: Paths, spec: ClusterSpec, member: NodeSpec) -> Daemon:
    """Kubelet, service proxy and DNS of one node: one process, inside the node's network namespace and view
    of the machine."""
    from pilothouse.house.network import in_namespaces

    command = (*in_namespaces(paths, spec, member), *own_command("node", spec.name, member.name))
    return Daemon(member.name, command, paths.lock(member.name), paths.log(member.name), folder=paths.state)


def daemons(paths: Paths, spec: ClusterSpec) -> list[Daemon]:
    """All that the supervisor looks after, control plane first."""
    nodes = [] if spec.runtime == "simulated" else [node(paths, spec, member) for member in spec.nodes]
    return [control_plane(paths, spec), *nodes]
