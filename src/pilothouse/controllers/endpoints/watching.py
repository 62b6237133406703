"""What the endpoint controllers share: which Services a change touches, and how slices are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Node, Pod, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.controllers.endpoints import desired
from pilothouse.controllers.endpoints.packing import Writes
from pilothouse.controllers.pod_control import namespace_ends
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Key, key_of
from pilothouse.machinery.informer import Informer

NOT_FOUND = 404


def services_of_pod(services: Informer[Service]) -> Callable[[Pod | None, Pod | None], Iterable[Key]]:
    """Keys of the Services that select a changed pod, before or after."""

    def keys(old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if not desired.matters(old, new):
            return
        pods = [p for p in (old, new) if p is not None]
        for service in services.list(pods[0].metadata.namespace):
            selector = service.spec.selector
            if selector and any(selector.items() <= p.metadata.labels.items() for p in pods):
                yield key_of(service)

    return keys


def selected(pods: Informer[Pod], service: Service) -> list[Pod]:
    wanted = service.spec.selector.items()
    return [p for p in pods.list(service.metadata.namespace) if wanted <= p.metadata.labels.items()]


def zones_of(nodes: Informer[Node]) -> desired.Zones:
    def zone(name: str) -> str:
        node = nodes.get(name)
        return node.metadata.labels.get(desired.ZONE_LABEL, "") if node is not None else ""

    return zone


async def write(client: Client, writes: Writes) -> None:
    """New endpoints first, so that a Service never loses its last ones while they move. In a namespace that is being
    deleted nothing more is written: its content goes anyway."""
    for made in writes.create:
        try:
            await client.create(made)
        except StatusError as error:
            if namespace_ends(error):
                return
            raise
    for changed in writes.update:
        await client.update(changed)
    for gone in writes.delete:
        try:
            await client.delete(EndpointSlice, gone.metadata.name, gone.metadata.namespace, uid=gone.metadata.uid)
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise
