"""The variables by which a container finds the Services of its namespace. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pilothouse.api.types.core.v1 import Service

MASTER_NAMESPACE, MASTER_SERVICES = "default", ("kubernetes",)


def visible(services: Iterable[Service], namespace: str, *, links: bool) -> Sequence[Service]:
    """The API server's own Service for everybody, and with `links` those of the pod's namespace, which win."""
    found: dict[str, Service] = {}
    for service in services:
        meta = service.metadata
        if service.spec.cluster_ip in ("", "None"):
            continue
        if meta.namespace == namespace and links:
            found[meta.name] = service
        elif meta.namespace == MASTER_NAMESPACE and meta.name in MASTER_SERVICES:
            found.setdefault(meta.name, service)
    return sorted(found.values(), key=lambda s: s.metadata.creation_timestamp)


def variables(services: Iterable[Service]) -> dict[str, str]:
    """NAME_SERVICE_HOST, NAME_SERVICE_PORT[_PORTNAME], and the older NAME_PORT... family."""
    found: dict[str, str] = {}
    for service in services:
        ports = service.spec.ports
        if not ports:
            continue
        name, address = _variable(service.metadata.name), service.spec.cluster_ip
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(ports[0].port)
        for port in ports:
            if port.name:
                found[f"{name}_SERVICE_PORT_{_variable(port.name)}"] = str(port.port)
        for index, port in enumerate(ports):
            protocol = port.protocol or "TCP"
            host = f"[{address}]" if ":" in address else address
            url = f"{protocol.lower()}://{host}:{port.port}"
            if index == 0:
                found[f"{name}_PORT"] = url
            prefix = f"{name}_PORT_{port.port}_{protocol}"
            found[prefix] = url
            found[f"{prefix}_PROTO"] = protocol.lower()
            found[f"{prefix}_PORT"] = str(port.port)
            found[f"{prefix}_ADDR"] = address
    return found


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
