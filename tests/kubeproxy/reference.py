"""What a packet's fate is, read straight from the API's documentation over all Services: slow, obvious, no table."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from pilothouse.api.types.core.v1 import Service, ServicePort
from pilothouse.api.types.discovery.v1 import Endpoint, EndpointSlice
from pilothouse.kubeproxy.model import Decision, Packet, Place, Refusal, Target


def decide(services: list[Service], slices: list[EndpointSlice], place: Place, packet: Packet) -> Decision:
    proxied = [s for s in sorted(services, key=lambda s: s.metadata.name) if s.spec.cluster_ip != "None"]
    proxied = [s for s in proxied if s.spec.type != "ExternalName"]
    for to_port in (False, True):
        for service in proxied:
            for port in service.spec.ports:
                if port.protocol.lower() != packet.protocol:
                    continue
                if to_port and packet.to_node and packet.port == port.node_port:
                    return _serve(service, port, slices, place, packet, "external")
                if not to_port and packet.port == port.port and (way := _way(service, packet.destination)):
                    return _serve(service, port, slices, place, packet, way)
    if packet.destination in {s.spec.cluster_ip for s in proxied}:
        return Decision(refusal=Refusal.REJECT)
    return Decision()


def _way(service: Service, ip: str) -> str:
    if service.spec.type == "LoadBalancer" and ip in {i.ip for i in service.status.load_balancer.ingress}:
        return "balancer"
    if ip in service.spec.external_ips:
        return "external"
    return "internal" if ip == service.spec.cluster_ip else ""


def _serve(
    service: Service, port: ServicePort, slices: list[EndpointSlice], place: Place, packet: Packet, way: str
) -> Decision:
    spec = service.spec
    source = ip_address(packet.source)
    from_pod = any(source in ip_network(c) for c in place.pod_cidrs)
    allowed = spec.load_balancer_source_ranges
    if way == "balancer" and allowed and not any(source in ip_network(r) for r in allowed):
        return Decision(refusal=Refusal.DROP)
    policy = spec.internal_traffic_policy if way == "internal" else spec.external_traffic_policy
    local_wanted = policy == "Local"
    inside = way != "internal" and (from_pod or packet.from_node)
    everyone = _cluster(service, port, slices, place)
    here = _usable([e for e in _all(service, port, slices) if e[1].node_name == place.node])
    chosen = here if local_wanted and not inside else everyone
    if not chosen:
        return Decision(refusal=Refusal.DROP if everyone or here else Refusal.REJECT)
    if way == "internal":
        masquerade = not from_pod
    elif local_wanted:
        masquerade = packet.from_node
    else:
        masquerade = True
    seconds = 10800 if spec.session_affinity == "ClientIP" else 0
    return Decision(tuple(sorted(t for t, _ in chosen)), masquerade, None, seconds)


def _all(service: Service, port: ServicePort, slices: list[EndpointSlice]) -> list[tuple[Target, Endpoint]]:
    return [
        (Target((e.addresses or ())[0], p.port or 0), e)
        for s in slices
        if s.metadata.labels["kubernetes.io/service-name"] == service.metadata.name
        for p in s.ports or ()
        if (p.name, p.protocol) == (port.name, port.protocol)
        for e in s.endpoints or ()
    ]


def _usable(endpoints: list[tuple[Target, Endpoint]]) -> list[tuple[Target, Endpoint]]:
    ready = [e for e in endpoints if e[1].conditions.ready]
    return ready or [e for e in endpoints if e[1].conditions.serving and e[1].conditions.terminating]


def _cluster(
    service: Service, port: ServicePort, slices: list[EndpointSlice], place: Place
) -> list[tuple[Target, Endpoint]]:
    usable = _usable(_all(service, port, slices))
    if any(e.conditions.ready for _, e in usable):
        for wanted, hinted in ((place.node, "for_nodes"), (place.zone, "for_zones")):
            hints = [{h.name for h in getattr(e.hints, hinted)} if e.hints else set() for _, e in usable]
            near = [found for found, names in zip(usable, hints, strict=True) if wanted in names]
            if wanted and all(hints) and near:
                return near
    return usable
