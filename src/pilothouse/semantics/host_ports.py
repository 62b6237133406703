"""Ports of nodes that pods take. Pure."""

from __future__ import annotations

from typing import NamedTuple

from pilothouse.api.types.core.v1 import PodSpec

NO_FREE_PORTS = "node(s) didn't have free ports for the requested pod ports"


class Port(NamedTuple):
    """A port of the node that a pod takes."""

    ip: str
    protocol: str
    number: int

    def clashes(self, other: Port) -> bool:
        """Whether both cannot be on one node: same port, and one of them on all addresses or both on the same."""
        if self[1:] != other[1:]:
            return False
        return self.ip == other.ip or "0.0.0.0" in (self.ip, other.ip)


def host_ports(spec: PodSpec) -> tuple[Port, ...]:
    """Ports of the node that the pod's containers take."""
    containers = (*(spec.containers or ()), *(c for c in spec.init_containers if c.restart_policy == "Always"))
    found = [
        Port(p.host_ip or "0.0.0.0", p.protocol or "TCP", p.host_port or (p.container_port if spec.host_network else 0))
        for c in containers
        for p in c.ports
    ]
    return tuple(p for p in dict.fromkeys(found) if p.number > 0)
