"""Fits endpoints into EndpointSlices with as few writes as possible. Pure.

What is there stays where it is; room in slices that change anyway is used first; only then are new slices made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.object import Object
from pilothouse.api.types.core.v1 import Endpoints, Service
from pilothouse.api.types.discovery.v1 import Endpoint, EndpointSlice
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.endpoints.desired import Ports
from pilothouse.semantics.ownership import controller_reference

MAX_ENDPOINTS = 100
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
replace = msgspec.structs.replace
Labels = Mapping[str, str]


@dataclass(slots=True)
class Writes:
    """What to write to come to the wanted slices."""

    create: list[EndpointSlice] = field(default_factory=list)
    update: list[EndpointSlice] = field(default_factory=list)
    delete: list[EndpointSlice] = field(default_factory=list)


def identity(endpoint: Endpoint) -> tuple[object, ...]:
    """What makes two endpoints the same one with changed conditions."""
    about = endpoint.target_ref
    return (endpoint.addresses, about.uid if about else "", about.name if about else "", endpoint.hostname)


def blank(owner: Service | Endpoints, family: str, labels: Labels) -> EndpointSlice:
    """A slice of `owner` with nothing in it."""
    return EndpointSlice(
        metadata=ObjectMeta(
            generate_name=f"{owner.metadata.name}-",
            namespace=owner.metadata.namespace,
            labels=labels,
            owner_references=(controller_reference(owner),),
        ),
        address_type=family,
        endpoints=(),
    )


def pack(
    owner: Service | Endpoints,
    existing: Sequence[EndpointSlice],
    wanted: Mapping[str, Mapping[Ports, Sequence[Endpoint]]],
    labels: Labels,
    limit: int = MAX_ENDPOINTS,
) -> Writes:
    """The writes after which the slices of `owner` hold just `wanted` (endpoints by family and ports). A family with
    nothing in it keeps one empty slice, so that readers can tell "none" from "not yet looked"."""
    writes = Writes()
    for held in existing:
        if held.address_type not in wanted:
            writes.delete.append(held)
    for family, groups in wanted.items():
        mine = [s for s in existing if s.address_type == family]
        chosen = groups or {(): ()}
        for held in mine:
            if tuple(held.ports or ()) not in chosen:
                writes.delete.append(held)
        for ports, endpoints in chosen.items():
            there = [s for s in mine if tuple(s.ports or ()) == ports]
            _fill(writes, there, endpoints, replace(blank(owner, family, labels), ports=ports or None), limit)
    _reuse(writes)
    return writes


def _fill(
    writes: Writes,
    existing: Sequence[EndpointSlice],
    endpoints: Sequence[Endpoint],
    fresh: EndpointSlice,
    limit: int,
) -> None:
    """One group of equal ports."""
    left = {identity(e): e for e in endpoints}
    kept: list[tuple[EndpointSlice, list[Endpoint], bool]] = []
    for held in existing:
        stay = [left.pop(identity(e)) for e in held.endpoints or () if identity(e) in left][:limit]
        kept.append((held, stay, not _equal(held, stay, fresh)))
    waiting = list(left.values())
    # Slices that are written anyway take newcomers first, the fullest of them first.
    for held, stay, changed in sorted(kept, key=lambda k: (not k[2], -len(k[1]))):
        if waiting and (changed or len(stay) + len(waiting) <= limit):
            room = limit - len(stay)
            stay += waiting[:room]
            waiting = waiting[room:]
        _settle(writes, held, stay, fresh)
    while waiting:
        writes.create.append(replace(fresh, endpoints=tuple(waiting[:limit])))
        waiting = waiting[limit:]
    remaining = [s for s in existing if s not in writes.delete]
    made = [s for s in writes.create if s.address_type == fresh.address_type and s.ports == fresh.ports]
    if not endpoints and not remaining and not made:
        if existing:
            empty = existing[0]
            writes.delete = [d for d in writes.delete if d is not empty]
            if not _equal(empty, [], fresh):
                writes.update.append(_renewed(empty, [], fresh))
        else:
            writes.create.append(fresh)


def _settle(writes: Writes, held: EndpointSlice, stay: list[Endpoint], fresh: EndpointSlice) -> None:
    if not stay:
        writes.delete.append(held)
    elif not _equal(held, stay, fresh):
        writes.update.append(_renewed(held, stay, fresh))


def _equal(held: EndpointSlice, stay: Sequence[Endpoint], fresh: EndpointSlice) -> bool:
    meta = held.metadata
    return (
        tuple(held.endpoints or ()) == tuple(stay)
        and meta.labels == fresh.metadata.labels
        and meta.owner_references == fresh.metadata.owner_references
    )


def _renewed(held: EndpointSlice, stay: Sequence[Endpoint], fresh: EndpointSlice) -> EndpointSlice:
    meta = replace(held.metadata, labels=fresh.metadata.labels, owner_references=fresh.metadata.owner_references)
    return replace(held, metadata=meta, endpoints=tuple(stay), ports=fresh.ports)


def _reuse(writes: Writes) -> None:
    """Turn a deletion and a creation of one family into an update: watchers then see no gap."""
    for made in list(writes.create):
        old = next((d for d in writes.delete if d.address_type == made.address_type), None)
        if old is not None:
            writes.create.remove(made)
            writes.delete.remove(old)
            writes.update.append(_renewed(old, made.endpoints or (), made))


def own(slices: Sequence[EndpointSlice], manager: str) -> list[EndpointSlice]:
    """Those that `manager` keeps and that are not on their way out."""
    return [
        s for s in slices if s.metadata.labels.get(MANAGER_LABEL) == manager and s.metadata.deletion_timestamp is None
    ]


def service_of(obj: Object) -> str:
    """The Service that a slice is of."""
    return obj.metadata.labels.get(SERVICE_LABEL, "")
