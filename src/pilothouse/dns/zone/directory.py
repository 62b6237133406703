"""The Services of the cluster as DNS needs them, kept up to date object by object."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.discovery.v1 import Endpoint, EndpointSlice

SERVICE_LABEL = "kubernetes.io/service-name"
Key = tuple[str, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class Port:
    """A named or nameless port; `protocol` in lower case."""

    name: str
    protocol: str
    number: int


@dataclass(frozen=True, slots=True)
class Member:
    """A ready endpoint, with the label it has under its Service's name."""

    label: str
    ip: str
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A Service: one of `ips` (addresses of its own), `external_name`, or neither, and then its members answer."""

    ips: tuple[str, ...] = ()
    external_name: str = ""
    ports: tuple[Port, ...] = ()
    members: tuple[Member, ...] = field(default=())

    @property
    def headless(self) -> bool:
        return not self.ips and not self.external_name


class Directory:
    """Current Services by namespace and name. Not safe to change while it is read: one task owns it."""

    def __init__(self) -> None:
        self._services: dict[Key, Service] = {}
        self._slices: dict[Key, dict[str, EndpointSlice]] = {}
        self._slice_owner: dict[Key, Key] = {}
        self._entries: dict[Key, Entry] = {}
        self._by_ip: dict[str, set[Key]] = {}
        self._namespaces: set[str] = set()
        self._populated: dict[str, int] = {}
        self.serial = 1

    def put_service(self, service: Service) -> None:
        key = (service.metadata.namespace, service.metadata.name)
        if key not in self._services:
            self._populated[key[0]] = self._populated.get(key[0], 0) + 1
        self._services[key] = service
        self._refresh(key)

    def drop_service(self, service: Service) -> None:
        key = (service.metadata.namespace, service.metadata.name)
        if self._services.pop(key, None) is not None:
            self._populated[key[0]] -= 1
            if not self._populated[key[0]]:
                del self._populated[key[0]]
            self._refresh(key)

    def put_slice(self, piece: EndpointSlice) -> None:
        self.drop_slice(piece)
        name = piece.metadata.labels.get(SERVICE_LABEL, "")
        if not name or piece.address_type not in ("IPv4", "IPv6"):
            return
        key = (piece.metadata.namespace, name)
        self._slices.setdefault(key, {})[piece.metadata.name] = piece
        self._slice_owner[(piece.metadata.namespace, piece.metadata.name)] = key
        self._refresh(key)

    def drop_slice(self, piece: EndpointSlice) -> None:
        key = self._slice_owner.pop((piece.metadata.namespace, piece.metadata.name), None)
        if key is not None:
            del self._slices[key][piece.metadata.name]
            if not self._slices[key]:
                del self._slices[key]
            self._refresh(key)

    def put_namespace(self, name: str) -> None:
        self._namespaces.add(name)

    def drop_namespace(self, name: str) -> None:
        self._namespaces.discard(name)

    def entry(self, namespace: str, name: str) -> Entry | None:
        return self._entries.get((namespace, name))

    def has_namespace(self, name: str) -> bool:
        return name in self._namespaces or name in self._populated

    def owners_of(self, ip: str) -> Iterable[tuple[Key, Entry]]:
        """The Services that an address belongs to, as their own or an endpoint's."""
        return [(key, self._entries[key]) for key in sorted(self._by_ip.get(ip, ()))]

    def _refresh(self, key: Key) -> None:
        self.serial += 1
        before = self._entries.pop(key, None)
        for ip in _addresses(before):
            owners = self._by_ip[ip]
            owners.discard(key)
            if not owners:
                del self._by_ip[ip]
        service = self._services.get(key)
        if service is None:
            return
        entry = self._entries[key] = _entry(service, self._slices.get(key, {}))
        for ip in _addresses(entry):
            self._by_ip.setdefault(ip, set()).add(key)


def _addresses(entry: Entry | None) -> set[str]:
    return {*entry.ips, *(m.ip for m in entry.members)} if entry else set()


def _entry(service: Service, slices: Mapping[str, EndpointSlice]) -> Entry:
    spec = service.spec
    if spec.type == "ExternalName":
        return Entry(external_name=spec.external_name.rstrip(".").lower())
    ports = tuple(Port(p.name, (p.protocol or "TCP").lower(), p.port) for p in spec.ports)
    addresses = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    ips = (_canonical(a) for a in addresses if a != "None")
    return Entry(ips=tuple(ip for ip in ips if ip), ports=ports, members=_members(slices))


def _canonical(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:  # nothing a name could be given to
        return ""


def _members(slices: Mapping[str, EndpointSlice]) -> tuple[Member, ...]:
    found: dict[tuple[str, str], Member] = {}
    for name in sorted(slices):
        piece = slices[name]
        ports = tuple(Port(p.name or "", (p.protocol or "TCP").lower(), p.port) for p in piece.ports or () if p.port)
        for endpoint in piece.endpoints or ():
            if endpoint.conditions.ready is False:
                continue
            for ip in filter(None, map(_canonical, endpoint.addresses or ())):
                member = Member(_label(endpoint, ip), ip, ports)
                known = found.get((member.label, ip))
                found[(member.label, ip)] = member if known is None else _joined(known, member)
    return tuple(found[key] for key in sorted(found))


def _joined(known: Member, more: Member) -> Member:
    return Member(known.label, known.ip, tuple(dict.fromkeys((*known.ports, *more.ports))))


def _label(endpoint: Endpoint, ip: str) -> str:
    return (endpoint.hostname or "").lower() or ip.replace(".", "-").replace(":", "-")
