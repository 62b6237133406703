"""EndpointSlices to the endpoints a node uses for a port of a Service: readiness, termination, topology, policy."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.api.types.discovery.v1 import Endpoint, EndpointSlice
from pilothouse.kubeproxy.model.place import Place
from pilothouse.kubeproxy.model.table import Target

PortKey = tuple[str, str]  # name of the port and protocol ("TCP")


@dataclass(frozen=True, slots=True)
class Backend:
    """An endpoint of a port, with what decides whether it is used here."""

    target: Target
    ready: bool
    serving: bool
    terminating: bool
    local: bool
    zones: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()

    @property
    def last_resort(self) -> bool:
        """On its way out, but still answering: used when nothing is ready."""
        return self.serving and self.terminating


def backends_of(slices: Iterable[EndpointSlice], place: Place) -> Mapping[PortKey, tuple[Backend, ...]]:
    """All endpoints by port; one that stands in several slices counts once, the ready one of two wins."""
    found: dict[PortKey, dict[Target, Backend]] = {}
    for piece in slices:
        if piece.address_type != place.family:
            continue
        for port in piece.ports or ():
            if port.port is None:
                continue
            at = found.setdefault((port.name or "", port.protocol or "TCP"), {})
            for endpoint in piece.endpoints or ():
                backend = _backend(endpoint, port.port, place)
                if backend is not None and not (backend.target in at and at[backend.target].ready):
                    at[backend.target] = backend
    return {key: tuple(at[target] for target in sorted(at)) for key, at in found.items()}


def _backend(endpoint: Endpoint, port: int, place: Place) -> Backend | None:
    address = (endpoint.addresses or ("",))[0]
    if not _is_address(address):
        return None
    conditions, hints = endpoint.conditions, endpoint.hints
    ready = conditions.ready is not False
    return Backend(
        target=Target(address, port),
        ready=ready,
        serving=ready if conditions.serving is None else conditions.serving,
        terminating=conditions.terminating is True,
        local=endpoint.node_name == place.node,
        zones=frozenset(z.name for z in hints.for_zones) if hints else frozenset(),
        nodes=frozenset(n.name for n in hints.for_nodes) if hints else frozenset(),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def cluster_backends(backends: tuple[Backend, ...], place: Place) -> tuple[Target, ...]:
    """Those for traffic under the policy Cluster: ready ones near by, else what is terminating but still serves."""
    ready = [b for b in backends if b.ready]
    if not ready:
        return tuple(b.target for b in backends if b.last_resort)
    return tuple(b.target for b in _near(ready, place))


def local_backends(backends: tuple[Backend, ...]) -> tuple[Target, ...]:
    """Those for traffic under the policy Local."""
    here = [b for b in backends if b.local]
    ready = [b for b in here if b.ready]
    return tuple(b.target for b in ready or [b for b in here if b.last_resort])


def _near(ready: list[Backend], place: Place) -> list[Backend]:
    """Topology hints hold only if every endpoint has them and one is for us: half a hint would starve somebody."""
    if all(b.nodes for b in ready):
        same_node = [b for b in ready if place.node in b.nodes]
        if same_node:
            return same_node
    if place.zone and all(b.zones for b in ready):
        same_zone = [b for b in ready if place.zone in b.zones]
        if same_zone:
            return same_zone
    return ready
