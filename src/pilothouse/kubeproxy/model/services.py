"""One Service and its endpoints to a fragment of the table."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pilothouse.api.types.core.v1 import Service, ServicePort
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.kubeproxy.model.endpoints import Backend, PortKey, backends_of, cluster_backends, local_backends
from pilothouse.kubeproxy.model.place import Place
from pilothouse.kubeproxy.model.table import (
    EMPTY,
    Entry,
    Fragment,
    Frontend,
    HealthCheck,
    Masquerade,
    Pool,
    Refusal,
    Target,
)

PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
DEFAULT_AFFINITY_SECONDS = 10800
N = TypeVar("N", ipaddress.IPv4Network, ipaddress.IPv6Network)


def fragment_of(service: Service, slices: Iterable[EndpointSlice], place: Place) -> Fragment:
    """What a Service adds to this node's table; `EMPTY` for one that has no address of its own or another proxy."""
    cluster_ips = _cluster_ips(service, place)
    if not cluster_ips or PROXY_NAME_LABEL in service.metadata.labels:
        return EMPTY
    backends = backends_of((s for s in slices if HEADLESS_LABEL not in s.metadata.labels), place)
    entries: dict[Frontend, Entry] = {}
    for port in service.spec.ports:
        entries.update(_PortRules(service, port, backends, place).entries(cluster_ips))
    local = {b.target.ip for group in backends.values() for b in group if b.local}
    return Fragment(
        entries=entries,
        hairpins=frozenset(local),
        cluster_ips=frozenset(cluster_ips),
        health_check=_health_check(service, backends),
    )


def _cluster_ips(service: Service, place: Place) -> list[str]:
    spec = service.spec
    if spec.type == "ExternalName":
        return []
    addresses = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    return [a for a in _of_family(addresses, place) if a not in place.own_addresses]


def _of_family(addresses: Iterable[str], place: Place) -> Iterator[str]:
    for address in addresses:
        try:
            version = ipaddress.ip_address(address).version
        except ValueError:  # "None", or an address an older server let pass
            continue
        if (version == 4) == (place.family == "IPv4"):
            yield address


def _collapsed(ranges: Iterable[str], place: Place) -> tuple[str, ...] | None:
    """Networks of the family without overlaps; None if there are none: then everybody may come."""
    if place.family == "IPv4":
        found = [str(n) for n in ipaddress.collapse_addresses(_networks(ranges, ipaddress.IPv4Network))]
    else:
        found = [str(n) for n in ipaddress.collapse_addresses(_networks(ranges, ipaddress.IPv6Network))]
    return tuple(found) or None


def _networks(ranges: Iterable[str], kind: type[N]) -> list[N]:
    found = []
    for text in ranges:
        with contextlib.suppress(ValueError):  # of the other family
            found.append(kind(text.strip(), strict=False))
    return found


def _health_check(service: Service, backends: Mapping[PortKey, tuple[Backend, ...]]) -> HealthCheck | None:
    spec = service.spec
    if spec.type != "LoadBalancer" or spec.external_traffic_policy != "Local" or not spec.health_check_node_port:
        return None
    ready = {b.target.ip for group in backends.values() for b in group if b.local and b.ready}
    return HealthCheck(service.metadata.namespace, service.metadata.name, spec.health_check_node_port, len(ready))


@dataclass(frozen=True)
class _PortRules:
    service: Service
    port: ServicePort
    backends: Mapping[PortKey, tuple[Backend, ...]]
    place: Place

    def entries(self, cluster_ips: list[str]) -> dict[Frontend, Entry]:
        spec = self.service.spec
        found = dict.fromkeys((self._frontend(ip) for ip in cluster_ips), self._internal())
        outside = self._external()
        externals = [ip for ip in _of_family(spec.external_ips, self.place) if ip not in self.place.own_addresses]
        found.update(dict.fromkeys((self._frontend(ip) for ip in externals), outside))
        if spec.type == "LoadBalancer":
            guarded = Entry(outside.pool, outside.external, outside.masquerade, outside.refusal, self._sources())
            found.update(dict.fromkeys((self._frontend(ip) for ip in self._ingress_ips()), guarded))
        if spec.type in ("NodePort", "LoadBalancer") and self.port.node_port:
            found[Frontend("", self._protocol, self.port.node_port)] = outside
        return found

    @property
    def _protocol(self) -> str:
        return (self.port.protocol or "TCP").lower()

    def _frontend(self, ip: str) -> Frontend:
        return Frontend(ip, self._protocol, self.port.port)

    def _ingress_ips(self) -> Iterator[str]:
        ingresses = self.service.status.load_balancer.ingress
        return _of_family((i.ip for i in ingresses if i.ip and i.ip_mode in (None, "VIP")), self.place)

    def _sources(self) -> tuple[str, ...] | None:
        return _collapsed(self.service.spec.load_balancer_source_ranges, self.place)

    def _pool(self, policy: str, targets: tuple[Target, ...]) -> Pool:
        meta, spec = self.service.metadata, self.service.spec
        seconds = 0
        if spec.session_affinity == "ClientIP":
            config = spec.session_affinity_config
            asked = config.client_ip.timeout_seconds if config and config.client_ip else None
            seconds = asked or DEFAULT_AFFINITY_SECONDS
        return Pool(f"{meta.namespace}/{meta.name}/{self.port.name}/{self._protocol}/{policy}", targets, seconds)

    def _candidates(self) -> tuple[Backend, ...]:
        return self.backends.get((self.port.name, self.port.protocol or "TCP"), ())

    def _cluster_pool(self) -> Pool:
        return self._pool("cluster", cluster_backends(self._candidates(), self.place))

    def _local_pool(self) -> Pool:
        return self._pool("local", local_backends(self._candidates()))

    def _refusal(self, pool: Pool) -> Refusal:
        """Nobody anywhere is said aloud; nobody here, but somebody elsewhere, is silence, as load balancers expect."""
        somewhere = self._cluster_pool().targets or self._local_pool().targets
        return Refusal.DROP if somewhere and not pool.targets else Refusal.REJECT

    def _internal(self) -> Entry:
        pool = self._local_pool() if self.service.spec.internal_traffic_policy == "Local" else self._cluster_pool()
        return Entry(pool, None, Masquerade.OUTSIDE, self._refusal(pool))

    def _external(self) -> Entry:
        pool = self._cluster_pool()
        if self.service.spec.external_traffic_policy != "Local":
            return Entry(pool, None, Masquerade.ALWAYS, self._refusal(pool))
        external = self._local_pool()
        return Entry(pool, external, Masquerade.NEVER, self._refusal(external))
