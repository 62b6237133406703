"""Endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Endpoints, EndpointSubset
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import NONE, age

_SHOWN = 3


def defaults(obj: Endpoints) -> Endpoints:
    if all(port.protocol for subset in obj.subsets for port in subset.ports):
        return obj
    subsets = tuple(
        replace(subset, ports=tuple(port if port.protocol else replace(port, protocol="TCP") for port in subset.ports))
        for subset in obj.subsets
    )
    return replace(obj, subsets=subsets)


def row(obj: Endpoints, now: float) -> Sequence[Cell]:
    return obj.metadata.name, _endpoints(obj.subsets), age(obj.metadata.creation_timestamp, now)


def _endpoints(subsets: tuple[EndpointSubset, ...]) -> str:
    """The first addresses with their ports, and how many more there are."""
    found: list[str] = []
    for subset in subsets:
        if not subset.ports:
            found += [address.ip for address in subset.addresses]
        for port in subset.ports:
            found += [_joined(address.ip, port.port) for address in subset.addresses]
    if not found:
        return NONE
    more = len(found) - _SHOWN
    return ",".join(found[:_SHOWN]) + (f" + {more} more..." if more > 0 else "")


def _joined(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


STRATEGY = Strategy(
    type=Endpoints,
    prefix="services/endpoints",
    allow_create_on_update=True,
    always_warns="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    row=row,
    defaults=defaults,
)
