"""The nodes of a simulated cluster: kubelets on a simulated runtime, in the control plane's own process."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Service
from pilothouse.house.context import AUTHENTICATED, ControlPlaneContext
from pilothouse.house.holding import hold
from pilothouse.house.kubelet_config import configured
from pilothouse.house.paths import Paths
from pilothouse.house.pki import AUTHORITY, NODES_GROUP, PKI, node_server
from pilothouse.house.renewal import Follower
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.kit import tls
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.server.auth import ApiReviews, KubeletAuth
from pilothouse.kubelet.server.kubelet_host import KubeletHost
from pilothouse.kubelet.server.server import KubeletServer
from pilothouse.kubelet.simulated import NoPlace, SimulatedHandlers
from pilothouse.kubelet.stats.collector import Nothing
from pilothouse.machinery.informer import Informers
from pilothouse.runtime.simulated.cgroup import Host
from pilothouse.runtime.simulated.runtime import SimulatedRuntime

log = logging.getLogger(__name__)
REGISTRATION_SECONDS = 5.0


async def start_nodes(paths: Paths, spec: ClusterSpec, shared: ControlPlaneContext) -> None:
    """Start every node; returns once all are registered, or after a while: a node whose object cannot be read can be
    mended only through the API of the process that it is part of."""
    host = Host(shared.clock)
    starts = [
        shared.scope.spawn(_start_node(paths, spec, member, shared, host), f"start/{member.name}")
        for member in spec.nodes
    ]
    if not starts:
        return
    try:
        async with shared.clock.timeout(REGISTRATION_SECONDS):
            await asyncio.wait(starts)
    except TimeoutError:
        for member, start in zip(spec.nodes, starts, strict=True):
            if not start.done():
                log.warning("node %s is not registered yet; see what the store has of it", member.name)
    for start in starts:
        if start.done():
            start.result()


async def _start_node(
    paths: Paths, spec: ClusterSpec, member: NodeSpec, shared: ControlPlaneContext, host: Host
) -> None:
    user = UserInfo(username=f"system:node:{member.name}", groups=(NODES_GROUP, AUTHENTICATED))
    client = shared.client(user)
    informers = Informers(client, shared.clock, shared.chance, shared.scope)
    services = informers.of(Service)
    bound = socket.create_server(("127.0.0.1", 0))
    usual = NodeOptions(
        name=member.name,
        address=spec.node_address(member),
        root=paths.node_state(member.name),
        cgroup_parent=f"/simulated/{member.name}",
        pod_cidr=spec.node_pod_cidr(member),
        cluster_dns=spec.dns_address,
        cluster_domain=spec.cluster_domain,
        kubelet_port=bound.getsockname()[1],
        apparmor=True,
        capacity={"cpu": "8", "memory": "16Gi", "ephemeral-storage": "100Gi"},
    )
    options = configured(usual, spec)
    runtime = SimulatedRuntime(shared.clock, shared.chance, shared.scope, host=host)
    kubelet = Kubelet(
        options,
        client,
        runtime,
        NoPlace(),
        shared.clock,
        shared.chance,
        shared.scope,
        services=lambda: tuple(services.list()),
        actions=SimulatedHandlers(runtime, shared.clock),
    )
    auth = KubeletAuth(ApiReviews(client, member.name), shared.clock)
    server = KubeletServer(KubeletHost(kubelet, Nothing(member.name), shared.clock), shared.clock, auth)
    pki = PKI(paths.pki)
    pair = node_server(member.name)
    context = tls.server_context(pki.pair(pair), pki.pair(AUTHORITY).certificate)
    await server.listen_socket(bound, context)
    shared.scope.spawn(
        Follower(pki, shared.clock).follow(pair, partial(tls.replace_pair, context)), f"certificate/{pair}"
    )
    shared.scope.spawn(hold(server), f"kubelet-server/{member.name}")
    await kubelet.start()
