"""EndpointSlice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.discovery.v1 import EndpointPort, EndpointSlice
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import age

UNSET = "<unset>"
_SHOWN = 3


def defaults(obj: EndpointSlice) -> EndpointSlice:
    ports = tuple(map(_port, obj.ports or ()))
    return obj if ports == (obj.ports or ()) else replace(obj, ports=ports)


def _port(port: EndpointPort) -> EndpointPort:
    changes: dict[str, Any] = {}
    if port.name is None:
        changes["name"] = ""
    if port.protocol is None:
        changes["protocol"] = "TCP"
    return replace(port, **changes) if changes else port


def row(obj: EndpointSlice, now: float) -> Sequence[Cell]:
    ports = [str(port.port) if port.port is not None else "*" for port in obj.ports or ()]
    addresses = [ip for endpoint in obj.endpoints or () for ip in endpoint.addresses or ()]
    return (
        obj.metadata.name,
        obj.address_type,
        shown(ports),
        shown(addresses),
        age(obj.metadata.creation_timestamp, now),
    )


def shown(items: Sequence[str]) -> str:
    """The first items, and how many more there are."""
    if not items:
        return UNSET
    more = len(items) - _SHOWN
    return ",".join(items[:_SHOWN]) + (f" + {more} more..." if more > 0 else "")


STRATEGY = Strategy(
    type=EndpointSlice,
    prefix="endpointslices",
    generation=("endpoints", "ports", "address_type"),
    row=row,
    defaults=defaults,
)
