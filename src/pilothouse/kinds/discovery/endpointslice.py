"""EndpointSlice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.field_errors import (
    FieldErrors,
    duplicate,
    invalid,
    not_supported,
    required,
    too_many,
)
from pilothouse.api.types.discovery.v1 import Endpoint, EndpointHints, EndpointPort, EndpointSlice
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy, Write
from pilothouse.semantics.validation import addresses, names
from pilothouse.semantics.validation.meta import IMMUTABLE

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


def prepare_create(obj: EndpointSlice, write: Write) -> EndpointSlice:
    """The topology of v1beta1 is not for v1 to write."""
    endpoints = tuple(replace(e, deprecated_topology={}) if e.deprecated_topology else e for e in obj.endpoints or ())
    return obj if endpoints == (obj.endpoints or ()) else replace(obj, endpoints=endpoints)


def prepare_update(new: EndpointSlice, old: EndpointSlice, write: Write) -> EndpointSlice:
    return prepare_create(new, write)


def row(obj: EndpointSlice, now: float) -> Sequence[Cell]:
    ports = [_port_cell(port) for port in obj.ports or ()]
    ips = [ip for endpoint in obj.endpoints or () for ip in endpoint.addresses or ()]
    return (
        obj.metadata.name,
        obj.address_type,
        shown(ports),
        shown(ips),
        age(obj.metadata.creation_timestamp, now),
    )


def shown(items: Sequence[str]) -> str:
    """The first items, and how many more there are."""
    more = len(items) - _SHOWN
    told = ",".join(items[:_SHOWN])
    return f"{told} + {more} more..." if more > 0 else told or UNSET


def _port_cell(port: EndpointPort) -> str:
    if port.port is not None:
        return str(port.port)
    return "*" if port.name is None else port.name


_TYPES = ("FQDN", "IPv4", "IPv6")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MOST_ENDPOINTS, _MOST_ADDRESSES, _MOST_PORTS, _MOST_HINTS = 1000, 100, 20000, 8


def validate(obj: EndpointSlice) -> FieldErrors:
    return _validate(obj, frozenset())


def _validate(obj: EndpointSlice, held: Collection[str]) -> FieldErrors:
    found: FieldErrors = []
    if not obj.address_type:
        found.append(required("addressType"))
    elif obj.address_type not in _TYPES:
        found.append(not_supported("addressType", obj.address_type, _TYPES))
    endpoints = obj.endpoints or ()
    if len(endpoints) > _MOST_ENDPOINTS:
        return [*found, too_many("endpoints", len(endpoints), _MOST_ENDPOINTS)]
    for index, endpoint in enumerate(endpoints):
        found += _endpoint(endpoint, obj.address_type, f"endpoints[{index}]", held)
    return found + _port_errors(obj)


def _endpoint(endpoint: Endpoint, kind: str, path: str, held: Collection[str]) -> FieldErrors:
    found: FieldErrors = []
    given = endpoint.addresses or ()
    if not given:
        found.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(given) > _MOST_ADDRESSES:
        found.append(too_many(f"{path}.addresses", len(given), _MOST_ADDRESSES))
    for index, address in enumerate(given):
        found += _address(address, kind, f"{path}.addresses", index, held)
    if endpoint.node_name is not None:
        found += [invalid(f"{path}.nodeName", endpoint.node_name, f) for f in names.dns_subdomain(endpoint.node_name)]
    if endpoint.hostname is not None:
        found += [invalid(f"{path}.hostname", endpoint.hostname, f) for f in names.dns_label(endpoint.hostname)]
    if endpoint.hints is not None:
        found += _hints(endpoint.hints, f"{path}.hints")
    return found


def _hints(hints: EndpointHints, path: str) -> FieldErrors:
    """The zones and nodes that an endpoint is best for, each once."""
    found: FieldErrors = []
    for kind, rule, names_of in (
        ("forZones", names.label_value, [zone.name for zone in hints.for_zones]),
        ("forNodes", names.dns_subdomain, [node.name for node in hints.for_nodes]),
    ):
        if len(names_of) > _MOST_HINTS:
            found.append(too_many(f"{path}.{kind}", len(names_of), _MOST_HINTS))
            continue
        seen: set[str] = set()
        for index, name in enumerate(names_of):
            at = f"{path}.{kind}[{index}].name"
            if name in seen:
                found.append(duplicate(at, name))
            seen.add(name)
            found += [invalid(at, name, fault) for fault in rule(name)]
    return found


def _address(address: str, kind: str, path: str, index: int, held: Collection[str]) -> FieldErrors:
    at = f"{path}[{index}]"
    if kind == "FQDN":
        return _full_name(at, address)
    if kind not in ("IPv4", "IPv6"):
        return []
    if address in held:
        return []
    found = addresses.ip(at, address)
    parsed = addresses.parse(address)
    if found or parsed is None:
        return found
    if f"IPv{parsed.version}" != kind:
        found.append(invalid(path, address, f"must be an {kind} address"))
    return found + [invalid(at, address, fault) for fault in addresses.special_faults(parsed)]


def _full_name(path: str, address: str) -> FieldErrors:
    """A domain of two labels at least; a dot may end it."""
    if not address:
        return [required(path)]
    name = address.removesuffix(".")
    if faults := names.dns_subdomain(name):
        return [invalid(path, name, ",".join(faults))]
    labels = name.split(".")
    if len(labels) == 1:
        return [invalid(path, name, "should be a domain with at least two segments separated by dots")]
    odd = ((label, names.dns_label(label)) for label in labels)
    return next(([invalid(path, label, ",".join(faults))] for label, faults in odd if faults), [])


def _port_errors(obj: EndpointSlice) -> FieldErrors:
    found: FieldErrors = []
    ports = obj.ports or ()
    if len(ports) > _MOST_PORTS:
        return [too_many("ports", len(ports), _MOST_PORTS)]
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path = f"ports[{index}]"
        name = port.name or ""
        if name:
            found += [invalid(f"{path}.name", name, fault) for fault in names.dns_label(name)]
        if name in seen:
            found.append(duplicate(f"{path}.name", name))
        seen.add(name)
        if port.protocol is None:
            found.append(required(f"{path}.protocol"))
        elif port.protocol not in _PROTOCOLS:
            found.append(not_supported(f"{path}.protocol", port.protocol, _PROTOCOLS))
        if port.app_protocol is not None:
            faults = names.qualified_name(port.app_protocol)
            found += [invalid(f"{path}.appProtocol", port.app_protocol, fault) for fault in faults]
    return found


def validate_update(new: EndpointSlice, old: EndpointSlice) -> FieldErrors:
    """Addresses that the slice has already are not looked at again."""
    found = _validate(new, {ip for endpoint in old.endpoints or () for ip in endpoint.addresses or ()})
    if new.address_type != old.address_type:
        found.append(invalid("addressType", new.address_type, IMMUTABLE))
    return found


def warnings(obj: EndpointSlice) -> Sequence[str]:
    return list(_warnings(obj))


def _warnings(obj: EndpointSlice) -> Iterator[str]:
    if obj.address_type == "FQDN":
        yield "spec.addressType: FQDN endpoints are deprecated"
    if obj.address_type != "IPv6":
        return
    for index, endpoint in enumerate(obj.endpoints or ()):
        for at, address in enumerate(endpoint.addresses or ()):
            yield from addresses.ip_warnings(f"endpoints[{index}].addresses[{at}]", address)


STRATEGY = Strategy(
    type=EndpointSlice,
    prefix="endpointslices",
    meta_update=MetaUpdate(whole=1, change=0),
    generation=("endpoints", "ports", "address_type", "metadata.labels"),
    row=row,
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
