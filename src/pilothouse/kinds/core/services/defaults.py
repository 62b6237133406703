"""The defaults of a Service. Pure."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import ClientIPConfig, Service, ServicePort, ServiceSpec, SessionAffinityConfig
from pilothouse.kinds.core.services import needs

AFFINITY_SECONDS = 10800


def defaults(obj: Service) -> Service:
    spec = obj.spec
    changes: dict[str, Any] = {}
    if not spec.session_affinity:
        changes["session_affinity"] = "None"
    if spec.session_affinity in ("", "None") and spec.session_affinity_config is not None:
        changes["session_affinity_config"] = None
    if spec.session_affinity == "ClientIP" and not _timeout_set(spec):
        config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=AFFINITY_SECONDS))
        changes["session_affinity_config"] = config
    if not spec.type:
        changes["type"] = "ClusterIP"
    ports = tuple(map(_port, spec.ports))
    if ports != spec.ports:
        changes["ports"] = ports
    if changes:
        obj = replace(obj, spec=replace(spec, **changes))
    return _policies(obj)


def _timeout_set(spec: ServiceSpec) -> bool:
    config = spec.session_affinity_config
    return config is not None and config.client_ip is not None and config.client_ip.timeout_seconds is not None


def _port(port: ServicePort) -> ServicePort:
    changes: dict[str, Any] = {}
    if not port.protocol:
        changes["protocol"] = "TCP"
    if port.target_port in (0, ""):
        changes["target_port"] = port.port
    return replace(port, **changes) if changes else port


def _policies(obj: Service) -> Service:
    spec = obj.spec
    changes: dict[str, Any] = {}
    if needs.external_traffic_policy(obj) and not spec.external_traffic_policy:
        changes["external_traffic_policy"] = "Cluster"
    if spec.internal_traffic_policy is None and spec.type in ("NodePort", "LoadBalancer", "ClusterIP"):
        changes["internal_traffic_policy"] = "Cluster"
    if spec.type == "LoadBalancer" and spec.allocate_load_balancer_node_ports is None:
        changes["allocate_load_balancer_node_ports"] = True
    if changes:
        obj = replace(obj, spec=replace(spec, **changes))
    return _modes(obj) if obj.status.load_balancer.ingress else obj


def _modes(obj: Service) -> Service:
    """A load balancer's address is virtual unless it says otherwise."""
    status = obj.status
    ingress = tuple(
        replace(i, ip_mode="VIP") if i.ip and i.ip_mode is None else i for i in status.load_balancer.ingress
    )
    return replace(obj, status=replace(status, load_balancer=replace(status.load_balancer, ingress=ingress)))
