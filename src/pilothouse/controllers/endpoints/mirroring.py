"""Mirrors Endpoints that people or programs made by hand, for Services without a selector, into EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.types.core.v1 import EndpointAddress, Endpoints, EndpointSubset, Service
from pilothouse.api.types.discovery.v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.controllers.endpoints import desired, packing, slices, triggers, watching
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, own_key

IDENTITY = "endpointslicemirroring-controller"
MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
NOT_COPIED = frozenset((triggers.ANNOTATION, "kubectl.kubernetes.io/last-applied-configuration"))
PER_SUBSET = 1000
Groups = dict[str, dict[desired.Ports, list[Endpoint]]]


def mirrored(endpoints: Endpoints | None, service: Service | None) -> bool:
    """Whether these Endpoints are to be mirrored."""
    if endpoints is None or service is None or service.spec.selector:
        return False
    meta = endpoints.metadata
    return meta.labels.get(SKIP_LABEL) != "true" and LEADER not in meta.annotations


def wanted(endpoints: Endpoints) -> Groups:
    """The endpoints by family and ports."""
    found: Groups = {}
    for subset in endpoints.subsets:
        ports = _ports(subset)
        told = [(a, True) for a in subset.addresses] + [(a, False) for a in subset.not_ready_addresses]
        for address, ready in told[:PER_SUBSET]:
            family = desired.family_of(address.ip)
            found.setdefault(family, {}).setdefault(ports, []).append(_endpoint(address, ready))
    return found


def _ports(subset: EndpointSubset) -> desired.Ports:
    return tuple(
        EndpointPort(name=p.name, port=p.port, protocol=p.protocol or "TCP", app_protocol=p.app_protocol)
        for p in subset.ports
    )


def _endpoint(address: EndpointAddress, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=(address.ip,),
        conditions=EndpointConditions(ready=ready),
        target_ref=address.target_ref,
        node_name=address.node_name,
        hostname=address.hostname or None,
    )


def decide(endpoints: Endpoints | None, service: Service | None, existing: list[EndpointSlice]) -> packing.Writes:
    """What to write for one name."""
    if not mirrored(endpoints, service):
        return packing.Writes(delete=existing)
    assert endpoints is not None
    labels = {
        **{k: v for k, v in endpoints.metadata.labels.items() if k not in slices.NOT_MIRRORED},
        packing.SERVICE_LABEL: endpoints.metadata.name,
        packing.MANAGER_LABEL: MANAGER,
    }
    writes = packing.pack(endpoints, existing, wanted(endpoints), labels, PER_SUBSET)
    return _annotated(writes, existing, endpoints)


def _annotated(writes: packing.Writes, existing: list[EndpointSlice], endpoints: Endpoints) -> packing.Writes:
    """The writes after which every slice has the annotations of the Endpoints, but those about their own writes."""
    annotations = {k: v for k, v in endpoints.metadata.annotations.items() if k not in NOT_COPIED}

    def annotate(found: EndpointSlice) -> EndpointSlice:
        meta = msgspec.structs.replace(found.metadata, annotations=annotations)
        return msgspec.structs.replace(found, metadata=meta)

    written = {s.metadata.name for s in (*writes.update, *writes.delete)}
    stale = [s for s in existing if s.metadata.name not in written and s.metadata.annotations != annotations]
    return packing.Writes([*map(annotate, writes.create)], [*map(annotate, (*writes.update, *stale))], writes.delete)


def build(env: Environment) -> Controller[Key]:
    """Keys are Endpoints, and the Services of the same names."""

    async def reconcile(key: Key, client: Client) -> None:
        existing = packing.own(held.by_index(slices.INDEX, f"{key[0]}/{key[1]}"), MANAGER)
        writes = decide(endpoints.get(key[1], key[0]), services.get(key[1], key[0]), existing)
        await watching.write(client, writes)

    def slice_changed(old: EndpointSlice | None, new: EndpointSlice | None) -> Iterable[Key]:
        for found in (old, new):
            if found is not None and found.metadata.labels.get(packing.MANAGER_LABEL) == MANAGER:
                yield found.metadata.namespace, packing.service_of(found)

    controller = env.controller("endpointslice-mirroring-controller", IDENTITY, reconcile)
    endpoints = controller.on(Endpoints, own_key)
    services = controller.on(Service, own_key)
    held = controller.needs(EndpointSlice)
    held.add_index(slices.INDEX, slices.index)
    controller.on(EndpointSlice, slice_changed)
    return controller
