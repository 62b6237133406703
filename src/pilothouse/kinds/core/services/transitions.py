"""What an update of a Service keeps without being told, and what a change of type takes away. Pure."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import LoadBalancerStatus, Service, ServicePort
from pilothouse.kinds.core.services import needs


def kept(new: Service, old: Service) -> Service:
    """`new` with what was allocated for `old` where it says nothing, so that applying a manifest again is no change."""
    changes: dict[str, Any] = {}
    if needs.cluster_ip(new) and needs.cluster_ip(old):
        ip = new.spec.cluster_ip or old.spec.cluster_ip
        if not new.spec.cluster_ip:
            changes["cluster_ip"] = ip
        if not new.spec.cluster_ips and ip == old.spec.cluster_ip:
            changes["cluster_ips"] = old.spec.cluster_ips
    if needs.has_node_ports(new) and needs.has_node_ports(old):
        ports = _ports_kept(new, old)
        if ports != new.spec.ports:
            changes["ports"] = ports
    if needs.health_check_port(new) and needs.health_check_port(old) and not new.spec.health_check_node_port:
        changes["health_check_node_port"] = old.spec.health_check_node_port
    return replace(new, spec=replace(new.spec, **changes)) if changes else new


def _ports_kept(new: Service, old: Service) -> tuple[ServicePort, ...]:
    """Node ports go by the names of ports."""
    had = {p.node_port for p in old.spec.ports if p.node_port}
    used = had & {p.node_port for p in new.spec.ports if p.node_port}
    by_name = {p.name: p.node_port for p in old.spec.ports}
    found = []
    for port in new.spec.ports:
        known = by_name.get(port.name, 0)
        if not port.node_port and known and known not in used:
            port = replace(port, node_port=known)
        found.append(port)
    return tuple(found)


def in_step(new: Service, old: Service | None) -> Service:
    """`new` with clusterIP and clusterIPs agreeing where a client set only one of them."""
    spec = new.spec
    ips = spec.cluster_ips
    if old is None:
        return _with_ips(new, (spec.cluster_ip,)) if spec.cluster_ip and not ips else new
    before = old.spec
    if before.cluster_ips and not ips and before.cluster_ip == spec.cluster_ip:
        return _with_ips(new, before.cluster_ips)
    if before.cluster_ip == spec.cluster_ip:
        return new
    if before.cluster_ip and not spec.cluster_ip:
        return _with_ips(new, ()) if ips == before.cluster_ips else new
    if not ips or ips == before.cluster_ips:
        return _with_ips(new, (spec.cluster_ip,) if spec.cluster_ip else ())
    return new


def _with_ips(obj: Service, ips: tuple[str, ...]) -> Service:
    return replace(obj, spec=replace(obj.spec, cluster_ips=ips))


def dropped(new: Service, old: Service) -> Service:
    """`new` without what its type cannot have, where that was the old type's and the client left it as it was."""
    a, b = new.spec, old.spec
    changes: dict[str, Any] = {}
    if needs.cluster_ip(old) and not needs.cluster_ip(new):
        if (a.cluster_ip, a.cluster_ips) == (b.cluster_ip, b.cluster_ips):
            changes |= {"cluster_ip": "", "cluster_ips": ()}
        if a.ip_families == b.ip_families:
            changes["ip_families"] = ()
        if a.ip_family_policy == b.ip_family_policy:
            changes["ip_family_policy"] = None
    if needs.has_node_ports(old) and not needs.has_node_ports(new) and _node_ports(new) == _node_ports(old):
        changes["ports"] = tuple(replace(p, node_port=0) if p.node_port else p for p in a.ports)
    unhealthy = needs.health_check_port(old) and not needs.health_check_port(new)
    if unhealthy and a.health_check_node_port == b.health_check_node_port:
        changes["health_check_node_port"] = 0
    if b.type == "LoadBalancer" and a.type != "LoadBalancer":
        if a.allocate_load_balancer_node_ports == b.allocate_load_balancer_node_ports:
            changes["allocate_load_balancer_node_ports"] = None
        if a.load_balancer_class == b.load_balancer_class:
            changes["load_balancer_class"] = None
    hidden = needs.external_traffic_policy(old) and not needs.external_traffic_policy(new)
    if hidden and a.external_traffic_policy == b.external_traffic_policy:
        changes["external_traffic_policy"] = ""
    if a.type != "LoadBalancer" and new.status.load_balancer.ingress:
        new = replace(new, status=replace(new.status, load_balancer=LoadBalancerStatus()))
    return replace(new, spec=replace(a, **changes)) if changes else new


def shown(obj: Service) -> Service:
    """An ExternalName Service never shows an internal traffic policy."""
    if obj.spec.type != "ExternalName" or obj.spec.internal_traffic_policy is None:
        return obj
    return replace(obj, spec=replace(obj.spec, internal_traffic_policy=None))


def live(obj: Service) -> Service:
    """An ExternalName Service as changes find it: it still has the policy that reads hide, if a manager owns it."""
    if obj.spec.type != "ExternalName":
        return obj
    for entry in obj.metadata.managed_fields:
        fields = entry.fields_v_1.get("f:spec") if isinstance(entry.fields_v_1, dict) else None
        if isinstance(fields, dict) and "f:internalTrafficPolicy" in fields:
            return replace(obj, spec=replace(obj.spec, internal_traffic_policy="Cluster"))
    return obj


def _node_ports(obj: Service) -> list[int]:
    return [p.node_port for p in obj.spec.ports if p.node_port]
