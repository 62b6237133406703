"""The endpoints that a Service should have, from its pods. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pilothouse.api.types.core.v1 import ObjectReference, Pod, Service, ServicePort
from pilothouse.api.types.discovery.v1 import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    ForNode,
    ForZone,
)
from pilothouse.semantics.pods import is_ready, is_terminal

IPV4, IPV6, FQDN = "IPv4", "IPv6", "FQDN"
ZONE_LABEL = "topology.kubernetes.io/zone"
HEADLESS_LABEL = "service.kubernetes.io/headless"
Ports = tuple[EndpointPort, ...]
Zones = Callable[[str], str]
"""The zone of a node; empty if it has none."""


def family_of(address: str) -> str:
    return IPV6 if ":" in address else IPV4


def families(service: Service) -> tuple[str, ...]:
    """The address families that a Service has slices for."""
    if service.spec.ip_families:
        return service.spec.ip_families
    if headless(service):
        return (IPV4, IPV6)
    return tuple(dict.fromkeys(family_of(ip) for ip in service.spec.cluster_ips)) or (IPV4,)


def headless(service: Service) -> bool:
    return service.spec.cluster_ip == "None"


def serves(service: Service) -> bool:
    """Whether its endpoints come from its selector."""
    return bool(service.spec.selector) and service.spec.type != "ExternalName"


def address_in(pod: Pod, family: str) -> str:
    """The pod's address of a family; empty if it has none."""
    addresses = [ip.ip for ip in pod.status.pod_ips] or ([pod.status.pod_ip] if pod.status.pod_ip else [])
    return next((a for a in addresses if family_of(a) == family), "")


def belongs(pod: Pod, *, terminating_too: bool) -> bool:
    """Whether a pod is an endpoint at all: it has an address and has not run to its end."""
    if is_terminal(pod) or not (pod.status.pod_ip or pod.status.pod_ips):
        return False
    return terminating_too or pod.metadata.deletion_timestamp is None


def matters(old: Pod | None, new: Pod | None) -> bool:
    """Whether a change of a pod can change endpoints."""
    if old is None or new is None:
        return True
    return _seen(old) != _seen(new)


def _seen(pod: Pod) -> tuple[object, ...]:
    return (
        pod.metadata.uid,
        pod.metadata.labels,
        pod.metadata.deletion_timestamp is None,
        pod.status.pod_ip,
        pod.status.pod_ips,
        is_ready(pod),
        is_terminal(pod),
        pod.spec.node_name,
        pod.spec.hostname,
        pod.spec.subdomain,
    )


def find_port(pod: Pod, port: ServicePort) -> int | None:
    """The number of a Service's target port in a pod; None if the pod has no port of that name."""
    target = port.target_port
    if isinstance(target, int):
        return target or port.port
    sidecars = [c for c in pod.spec.init_containers if c.restart_policy == "Always"]
    for container in (*(pod.spec.containers or ()), *sidecars):
        for held in container.ports:
            if held.name == target and (held.protocol or "TCP") == (port.protocol or "TCP"):
                return held.container_port
    return None


def ports_in(service: Service, pod: Pod) -> Ports:
    """The Service's ports as numbers in this pod; those it does not have are left out."""
    found = []
    for port in service.spec.ports:
        number = find_port(pod, port)
        if number is not None:
            found.append(
                EndpointPort(
                    name=port.name, port=number, protocol=port.protocol or "TCP", app_protocol=port.app_protocol
                )
            )
    return tuple(found)


def reference(pod: Pod) -> ObjectReference:
    meta = pod.metadata
    return ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)


def hostname_of(pod: Pod, service: Service) -> str:
    """The pod's own DNS name under the Service; empty if it has none."""
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        return pod.spec.hostname
    return ""


def endpoint_of(pod: Pod, service: Service, address: str, zones: Zones) -> Endpoint:
    serving, terminating = is_ready(pod), pod.metadata.deletion_timestamp is not None
    node = pod.spec.node_name
    zone = zones(node) if node else ""
    return Endpoint(
        addresses=(address,),
        conditions=EndpointConditions(
            ready=service.spec.publish_not_ready_addresses or (serving and not terminating),
            serving=serving,
            terminating=terminating,
        ),
        target_ref=reference(pod),
        node_name=node or None,
        zone=zone or None,
        hostname=hostname_of(pod, service) or None,
        hints=_hints(service.spec.traffic_distribution, zone, node, serving and not terminating),
    )


def _hints(distribution: str | None, zone: str, node: str, ready: bool) -> EndpointHints | None:
    if not ready or distribution is None or not zone:
        return None
    if distribution in ("PreferClose", "PreferSameZone"):
        return EndpointHints(for_zones=(ForZone(name=zone),))
    if distribution == "PreferSameNode":
        return EndpointHints(for_zones=(ForZone(name=zone),), for_nodes=(ForNode(name=node),))
    return None


def wanted(service: Service, pods: Iterable[Pod], family: str, zones: Zones) -> Mapping[Ports, Sequence[Endpoint]]:
    """Endpoints of a family by the ports they have: pods with different numbers for a named port go apart."""
    found: dict[Ports, list[Endpoint]] = {}
    for pod in pods:
        address = address_in(pod, family) if belongs(pod, terminating_too=True) else ""
        if not address:
            continue
        ports = ports_in(service, pod)
        if service.spec.ports and not ports:
            continue
        found.setdefault(ports, []).append(endpoint_of(pod, service, address, zones))
    return found
