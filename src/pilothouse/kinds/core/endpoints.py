"""Endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import (
    FieldErrors,
    invalid,
    not_supported,
    required,
)
from pilothouse.api.types.core.v1 import EndpointAddress, EndpointPort, Endpoints, EndpointSubset
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy
from pilothouse.semantics.validation import addresses, names

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


_PROTOCOLS = ("SCTP", "TCP", "UDP")


def validate_update(new: Endpoints, old: Endpoints) -> FieldErrors:
    """Subsets that are as they were may be what an older server let through."""
    return [] if new.subsets == old.subsets else validate(new)


def validate(obj: Endpoints) -> FieldErrors:
    found: FieldErrors = []
    for index, subset in enumerate(obj.subsets):
        path = f"subsets[{index}]"
        if not subset.addresses and not subset.not_ready_addresses:
            found.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for kind, group in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
            for at, address in enumerate(group):
                found += _address(address, f"{path}.{kind}[{at}]")
        for at, port in enumerate(subset.ports):
            found += _port(port, f"{path}.ports[{at}]", len(subset.ports) > 1)
    return found


def _address(address: EndpointAddress, path: str) -> FieldErrors:
    found: FieldErrors = []
    found += addresses.ip(f"{path}.ip", address.ip)
    parsed = addresses.parse(address.ip)
    faults = ("must be a valid IP address",) if parsed is None else addresses.special_faults(parsed)
    found += [invalid(f"{path}.ip", address.ip, fault) for fault in faults]
    if address.hostname:
        found += [invalid(f"{path}.hostname", address.hostname, fault) for fault in names.dns_label(address.hostname)]
    if address.node_name is not None:
        odd = names.dns_subdomain(address.node_name)
        found += [invalid(f"{path}.nodeName", address.node_name, fault) for fault in odd]
    return found


def _port(port: EndpointPort, path: str, named: bool) -> FieldErrors:
    found: FieldErrors = []
    if port.name:
        found += [invalid(f"{path}.name", port.name, fault) for fault in names.dns_label(port.name)]
    elif named:
        found.append(required(f"{path}.name"))
    if not 0 < port.port < 65536:
        found.append(invalid(f"{path}.port", port.port, "must be between 1 and 65535, inclusive"))
    if not port.protocol:
        found.append(required(f"{path}.protocol"))
    elif port.protocol not in _PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port.protocol, _PROTOCOLS))
    if port.app_protocol is not None:
        found += [invalid(f"{path}.appProtocol", port.app_protocol, f) for f in names.qualified_name(port.app_protocol)]
    return found


def warnings(obj: Endpoints) -> Sequence[str]:
    return list(_warnings(obj))


def _warnings(obj: Endpoints) -> Iterator[str]:
    for index, subset in enumerate(obj.subsets):
        for kind, group in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
            for at, address in enumerate(group):
                yield from addresses.ip_warnings(f"subsets[{index}].{kind}[{at}].ip", address.ip)


STRATEGY = Strategy(
    type=Endpoints,
    prefix="services/endpoints",
    meta_update=MetaUpdate(whole=1),
    allow_create_on_update=True,
    always_warns="v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    row=row,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
