"""Pure: what a node does with a packet for a Service, as data. No I/O, no clock, no packet filter."""

from pilothouse.kubeproxy.model.conntrack import StaleFlow, stale_flows
from pilothouse.kubeproxy.model.endpoints import Backend, backends_of
from pilothouse.kubeproxy.model.place import Place
from pilothouse.kubeproxy.model.services import fragment_of
from pilothouse.kubeproxy.model.table import (
    Decision,
    Entry,
    Fragment,
    Frontend,
    HealthCheck,
    Masquerade,
    Packet,
    Pool,
    Refusal,
    Table,
    Target,
)

__all__ = [
    "Backend",
    "Decision",
    "Entry",
    "Fragment",
    "Frontend",
    "HealthCheck",
    "Masquerade",
    "Packet",
    "Place",
    "Pool",
    "Refusal",
    "StaleFlow",
    "Table",
    "Target",
    "backends_of",
    "fragment_of",
    "stale_flows",
]
