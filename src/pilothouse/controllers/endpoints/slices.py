"""EndpointSlices of Services with a selector."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core.v1 import Node, Pod, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.controllers.endpoints import desired, packing, watching
from pilothouse.controllers.endpoints.triggers import Triggers, stamped
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import CLIENT_ERRORS, Client
from pilothouse.machinery.controller import Controller, Key, key_of, own_key
from pilothouse.machinery.events import WARNING

IDENTITY = "endpointslice-controller"
MANAGER = "endpointslice-controller.k8s.io"
NOT_MIRRORED = frozenset((desired.HEADLESS_LABEL, packing.SERVICE_LABEL, packing.MANAGER_LABEL))
INDEX = "service"


def labels_of(service: Service) -> dict[str, str]:
    """The labels of a Service's slices: the Service's own, whose it is and who keeps it."""
    found = {k: v for k, v in service.metadata.labels.items() if k not in NOT_MIRRORED}
    found[packing.SERVICE_LABEL] = service.metadata.name
    found[packing.MANAGER_LABEL] = MANAGER
    if desired.headless(service):
        found[desired.HEADLESS_LABEL] = ""
    return found


def decide(
    service: Service, pods: Iterable[Pod], existing: list[EndpointSlice], zones: desired.Zones
) -> packing.Writes:
    """What to write for a Service that has these pods and slices."""
    chosen = list(pods)
    wanted = {f: desired.wanted(service, chosen, f, zones) for f in desired.families(service)}
    return packing.pack(service, existing, wanted, labels_of(service))


def index(found: EndpointSlice) -> tuple[str, ...]:
    return (f"{found.metadata.namespace}/{packing.service_of(found)}",)


def build(env: Environment) -> Controller[Key]:
    """Keys are Services."""
    triggers = Triggers()
    recorder = env.recorder(IDENTITY, IDENTITY)

    async def reconcile(key: Key, client: Client) -> None:
        service = services.get(key[1], key[0])
        if service is None:
            triggers.forget(key)
        if service is None or not desired.serves(service) or service.metadata.deletion_timestamp is not None:
            return
        existing = packing.own(slices.by_index(INDEX, f"{key[0]}/{key[1]}"), MANAGER)
        chosen = watching.selected(pods, service)
        since = triggers.since(service, chosen)
        writes = stamped(decide(service, chosen, existing, watching.zones_of(nodes)), since)
        try:
            await watching.write(client, writes)
        except CLIENT_ERRORS as error:
            text = f"Error updating Endpoint Slices for Service {key[0]}/{key[1]}: {error}"
            recorder.event(service, WARNING, "FailedToUpdateEndpointSlices", text)
            raise

    def slice_changed(old: EndpointSlice | None, new: EndpointSlice | None) -> Iterable[Key]:
        for found in (old, new):
            if found is not None and found.metadata.labels.get(packing.MANAGER_LABEL) == MANAGER:
                yield found.metadata.namespace, packing.service_of(found)

    def node_changed(old: Node | None, new: Node | None) -> Iterable[Key]:
        zone = [n.metadata.labels.get(desired.ZONE_LABEL, "") if n is not None else "" for n in (old, new)]
        return [key_of(s) for s in services.list()] if zone[0] != zone[1] else ()

    controller = env.controller(IDENTITY, IDENTITY, reconcile)
    services = controller.on(Service, own_key)
    slices = controller.needs(EndpointSlice)
    slices.add_index(INDEX, index)
    nodes = controller.on(Node, node_changed)
    pods = controller.on(Pod, watching.services_of_pod(services))
    controller.on(EndpointSlice, slice_changed)
    return controller
