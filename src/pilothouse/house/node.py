"""A real node: kubelet, service proxy and DNS in one process, inside the node's network namespace."""

from __future__ import annotations

import asyncio
import logging
import pathlib
from functools import partial

from pilothouse.api.types.core.v1 import Node, Service
from pilothouse.dns.metrics import METRICS_PORT, metrics_pages
from pilothouse.dns.runner import ClusterDNS
from pilothouse.house import loaded_images, machine, network
from pilothouse.house.holding import hold
from pilothouse.house.kubelet_config import configured
from pilothouse.house.paths import Paths
from pilothouse.house.pki import AUTHORITY, DNS, PKI, PROXY, node_client, node_server
from pilothouse.house.renewal import Follower
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.kit import memory, tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http import pages
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.place import DiskPlace
from pilothouse.kubelet.server.auth import ApiReviews, KubeletAuth
from pilothouse.kubelet.server.kubelet_host import KubeletHost
from pilothouse.kubelet.server.server import KubeletServer
from pilothouse.kubelet.stats.node_source import NodeSource
from pilothouse.kubeproxy import telling
from pilothouse.kubeproxy.backends.kernel import NftKernel
from pilothouse.kubeproxy.model import Place
from pilothouse.kubeproxy.runner import ServiceProxy
from pilothouse.machinery.client.access import Access
from pilothouse.machinery.client.connection import Connection
from pilothouse.machinery.client.https import HTTPSClient
from pilothouse.machinery.informer import Informers
from pilothouse.runtime.containerd.supervisor import Supervisor
from pilothouse.runtime.view import machine as view
from pilothouse.seams.house import HouseError

log = logging.getLogger(__name__)
READY_POLL_SECONDS = 0.02
API_SERVER_SECONDS = 5.0
ANY_ADDRESS = "0.0.0.0"
# The node's own, in its view of the machine (`runtime/view`).
KUBELET_ROOT, LOG_ROOT = pathlib.Path("/var/lib/kubelet"), pathlib.Path("/var/log")


class Identity:
    """One component's client and informers."""

    def __init__(self, spec: ClusterSpec, pki: PKI, pair: str, scope: TaskScope) -> None:
        clock = SystemClock()
        certificate, key = pki.files(pair)
        access = Access(
            server=f"https://{spec.gateway}:{spec.api_port}",
            authority=pki.pair(AUTHORITY).certificate,
            certificate_file=str(certificate),  # it is replaced while the node runs
            key_file=str(key),
        )
        self.client = HTTPSClient(Connection(access, clock, user_agent=f"pilothouse/{pair}"))
        self.informers = Informers(self.client, clock, Chance(), scope)
        scope.at_end(self.client.close, f"client/{pair}")


def options_of(spec: ClusterSpec, member: NodeSpec, resolv_conf: pathlib.Path) -> NodeOptions:
    options = NodeOptions(
        name=member.name,
        address=spec.node_address(member),
        root=KUBELET_ROOT,
        log_root=LOG_ROOT,
        cgroup_parent=machine.cgroup_parent(spec, member),
        pod_cidr=spec.node_pod_cidr(member),
        cluster_dns=spec.dns_address,
        cluster_domain=spec.cluster_domain,
        resolv_conf=resolv_conf,
    )
    return configured(options, spec)


async def start_node(paths: Paths, spec: ClusterSpec, member: NodeSpec, scope: TaskScope) -> None:
    """Bring the node up in `scope`; returns once its Node is Ready and its Services and names are served."""
    if not view.entered(network.view_of(paths, spec, member)):
        raise HouseError(f"{member.name} was not started in its own view of the machine", "start it with pilothouse up")
    clock, chance = SystemClock(), Chance()
    pki = PKI(paths.pki)
    supervisor = Supervisor(machine.containerd_paths(paths, member), machine.cgroup_parent(spec, member), clock)
    starting = scope.spawn(supervisor.start(), "containerd-start")
    await _reachable(spec.gateway, spec.api_port, clock)
    proxy = Identity(spec, pki, PROXY, scope)
    dns = Identity(spec, pki, DNS, scope)
    own = Identity(spec, pki, node_client(member.name), scope)
    place = Place(
        member.name,
        pod_cidrs=(spec.pod_cidr,),
        own_addresses=frozenset({spec.dns_address}),
        service_cidrs=(spec.service_cidr,),
    )
    service_proxy = ServiceProxy(proxy.informers, NftKernel(), clock, place)
    cluster_dns = ClusterDNS(dns.informers, clock, chance, [spec.dns_address], domain=spec.cluster_domain)
    scope.spawn(service_proxy.run(), "proxy")
    scope.spawn(cluster_dns.run(), "dns")
    _tell(service_proxy, cluster_dns, clock, scope)
    options = options_of(spec, member, pathlib.Path("/etc/resolv.conf"))
    await starting
    scope.spawn(supervisor.watch(), "containerd")
    await loaded_images.give(paths, member, supervisor.runtime)  # before a pod asks for one of them
    services = own.informers.of(Service)
    kubelet = Kubelet(
        options,
        own.client,
        supervisor.runtime,
        DiskPlace(options, clock),
        clock,
        chance,
        scope,
        services=lambda: tuple(services.list()),
    )
    # A container that started before the Services are known would miss them in its environment for good.
    await services.wait_synced()
    auth = KubeletAuth(ApiReviews(own.client, member.name), clock)
    await _serve_kubelet(
        KubeletServer(KubeletHost(kubelet, NodeSource(options, clock.now()), clock), clock, auth), pki, options, scope
    )
    await kubelet.start()
    await service_proxy.wait_ready()
    await cluster_dns.wait_ready()
    await _ready(own, member.name)
    memory.settle()
    log.info("node %s of %s is ready at %s", member.name, spec.name, options.address)


def _tell(proxy: ServiceProxy, dns: ClusterDNS, clock: SystemClock, scope: TaskScope) -> None:
    """Serve what proxy and DNS tell of themselves, at the ports that monitoring knows."""
    for name, told, host, port in (
        ("proxy-metrics", telling.metrics_pages(proxy), telling.METRICS_ADDRESS, telling.METRICS_PORT),
        ("proxy-health", telling.health_pages(proxy, clock), ANY_ADDRESS, telling.HEALTH_PORT),
        ("dns-metrics", metrics_pages(dns.resolver), ANY_ADDRESS, METRICS_PORT),
    ):
        scope.spawn(pages.serve(told, clock, host, port, name), name)


async def _reachable(address: str, port: int, clock: SystemClock) -> None:
    """Return when the API server listens, but not much later than it usually does: at a cluster's start all come up
    together, and a client that failed first would wait longer than this. Without it, all goes on with what it has."""
    for _ in range(int(API_SERVER_SECONDS / READY_POLL_SECONDS)):
        try:
            _, writer = await asyncio.open_connection(address, port)
        except OSError:
            await clock.sleep(READY_POLL_SECONDS)
        else:
            writer.close()
            return


async def _serve_kubelet(server: KubeletServer, pki: PKI, options: NodeOptions, scope: TaskScope) -> None:
    pair = node_server(options.name)
    context = tls.server_context(pki.pair(pair), pki.pair(AUTHORITY).certificate)
    await server.listen(options.address, options.kubelet_port, context)
    scope.spawn(hold(server), "kubelet-server")
    follower = Follower(pki, SystemClock())
    scope.spawn(follower.follow(pair, partial(tls.replace_pair, context)), "certificate/server")


async def _ready(own: Identity, name: str) -> None:
    """Return when the API server shows this node Ready."""

    def ready(node: Node) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)

    selector = f"metadata.name={name}"
    page = await own.client.list(Node, field_selector=selector)
    if any(map(ready, page.items)):
        return
    async with own.client.watch(Node, resource_version=page.resource_version, field_selector=selector) as events:
        async for event in events:
            if event.type in ("ADDED", "MODIFIED") and ready(event.object):
                return
