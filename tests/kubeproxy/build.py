"""Services and EndpointSlices in one line each."""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.core.v1 import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from pilothouse.api.types.discovery.v1 import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForNode,
    ForZone,
)
from pilothouse.api.types.meta.v1 import ObjectMeta


def port(number: int = 80, *, name: str = "", protocol: str = "TCP", node_port: int = 0) -> ServicePort:
    return ServicePort(name=name, protocol=protocol, port=number, target_port=8080, node_port=node_port)


def service(
    name: str = "web", ip: str = "10.96.0.10", *ports: ServicePort, ingress: tuple[str, ...] = (), **spec: Any
) -> Service:
    meta = ObjectMeta(name=name, namespace="default")
    status = ServiceStatus(load_balancer=LoadBalancerStatus(ingress=tuple(LoadBalancerIngress(ip=i) for i in ingress)))
    spec.setdefault("type", "ClusterIP")
    body = ServiceSpec(cluster_ip=ip, cluster_ips=(ip,), ports=ports or (port(),), **spec)
    return Service(metadata=meta, spec=body, status=status)


def endpoint(
    ip: str,
    node: str = "n1",
    *,
    ready: bool = True,
    serving: bool | None = None,
    terminating: bool = False,
    zones: tuple[str, ...] = (),
    nodes: tuple[str, ...] = (),
) -> Endpoint:
    hints = EndpointHints(
        for_zones=tuple(ForZone(name=z) for z in zones), for_nodes=tuple(ForNode(name=n) for n in nodes)
    )
    conditions = EndpointConditions(ready=ready, serving=ready if serving is None else serving, terminating=terminating)
    return Endpoint(addresses=(ip,), node_name=node, conditions=conditions, hints=hints if zones or nodes else None)


def slice_of(
    *endpoints: Endpoint,
    service: str = "web",
    name: str = "web-1",
    ports: tuple[tuple[str, str, int], ...] = (("", "TCP", 8080),),
) -> EndpointSlice:
    meta = ObjectMeta(name=name, namespace="default", labels={"kubernetes.io/service-name": service})
    found = tuple(EndpointPort(name=n, protocol=p, port=number) for n, p, number in ports)
    return EndpointSlice(metadata=meta, address_type="IPv4", endpoints=endpoints, ports=found)
