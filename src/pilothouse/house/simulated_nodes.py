"""The nodes of a simulated cluster: kubelets on a simulated runtime, in the control plane's own process."""

from __future__ import annotations

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Service
from pilothouse.house.control_plane import AUTHENTICATED, Heart
from pilothouse.house.paths import Paths
from pilothouse.house.pki import NODES_GROUP
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.simulated import NoPlace, Succeeding
from pilothouse.machinery.informer import Informers
from pilothouse.runtime.simulated.runtime import SimulatedRuntime


async def start_nodes(paths: Paths, spec: ClusterSpec, heart: Heart) -> None:
    """Start every node; returns once all are registered."""
    for member in spec.nodes:
        await _start_node(paths, spec, member, heart)


async def _start_node(paths: Paths, spec: ClusterSpec, member: NodeSpec, heart: Heart) -> None:
    user = UserInfo(username=f"system:node:{member.name}", groups=(NODES_GROUP, AUTHENTICATED))
    client = heart.client(user)
    informers = Informers(client, heart.clock, heart.chance, heart.scope)
    services = informers.of(Service)
    options = NodeOptions(
        name=member.name,
        address=spec.node_address(member),
        root=paths.node_state(member.name),
        cgroup_parent=f"/simulated/{member.name}",
        pod_cidr=spec.node_pod_cidr(member),
        cluster_dns=spec.dns_address,
        cluster_domain=spec.cluster_domain,
        capacity={"cpu": "8", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"},
    )
    kubelet = Kubelet(
        options,
        client,
        SimulatedRuntime(heart.clock, heart.chance, heart.scope),
        NoPlace(),
        heart.clock,
        heart.chance,
        heart.scope,
        services=lambda: tuple(services.list()),
        actions=Succeeding(),
    )
    await kubelet.start()
