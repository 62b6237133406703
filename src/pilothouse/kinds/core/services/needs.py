"""What the type of a Service needs and may have. Pure."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Service

HEADLESS = "None"


def external_name(obj: Service) -> bool:
    return obj.spec.type == "ExternalName"


def cluster_ip(obj: Service) -> bool:
    """Whether it has cluster addresses (or is headless)."""
    return not external_name(obj)


def headless(obj: Service) -> bool:
    spec = obj.spec
    return spec.cluster_ip == HEADLESS or spec.cluster_ips[:1] == (HEADLESS,)


def node_ports(obj: Service) -> bool:
    """Whether it may have node ports."""
    return obj.spec.type in ("NodePort", "LoadBalancer")


def has_node_ports(obj: Service) -> bool:
    """Whether its node ports are the server's to give: not those of a LoadBalancer that wants none."""
    return node_ports(obj) and obj.spec.allocate_load_balancer_node_ports is not False


def allocates_node_ports(obj: Service) -> bool:
    """Whether ports without a node port are given one."""
    if obj.spec.type == "LoadBalancer":
        return bool(obj.spec.allocate_load_balancer_node_ports)
    return obj.spec.type == "NodePort"


def health_check_port(obj: Service) -> bool:
    return obj.spec.type == "LoadBalancer" and obj.spec.external_traffic_policy == "Local"


def external_traffic_policy(obj: Service) -> bool:
    return node_ports(obj) or (obj.spec.type == "ClusterIP" and bool(obj.spec.external_ips))
