"""Endpoints objects of Services with a selector: the old form, kept for those who still read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Pod, Service
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.endpoints import desired, watching
from pilothouse.controllers.endpoints.triggers import Triggers, with_trigger
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.pod_control import namespace_ends
from pilothouse.machinery.client import CLIENT_ERRORS, Client
from pilothouse.machinery.controller import Controller, Key, own_key
from pilothouse.machinery.events import WARNING
from pilothouse.semantics.pods import is_ready

IDENTITY = "endpoint-controller"
MANAGED = {"endpoints.kubernetes.io/managed-by": IDENTITY}
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
CAPACITY = 1000
NOT_FOUND = 404
replace = msgspec.structs.replace
Port = tuple[str, int, str, str | None]


def subsets(service: Service, pods: Iterable[Pod]) -> tuple[EndpointSubset, ...]:
    """The subsets of a Service: addresses that share their ports stand together."""
    family = desired.families(service)[0]
    publish = service.spec.publish_not_ready_addresses
    ready: dict[tuple[Port, ...], list[EndpointAddress]] = {}
    waiting: dict[tuple[Port, ...], list[EndpointAddress]] = {}
    for pod in pods:
        address = desired.address_in(pod, family) if desired.belongs(pod, terminating_too=publish) else ""
        if not address:
            continue
        ports = tuple(
            sorted(
                (p.name or "", p.port or 0, p.protocol or "", p.app_protocol) for p in desired.ports_in(service, pod)
            )
        )
        if service.spec.ports and not ports:
            continue
        told = EndpointAddress(
            ip=address,
            hostname=desired.hostname_of(pod, service),
            node_name=pod.spec.node_name or None,
            target_ref=desired.reference(pod),
        )
        group = ready if publish or is_ready(pod) else waiting
        group.setdefault(ports, []).append(told)
    return tuple(
        EndpointSubset(
            addresses=tuple(sorted(ready.get(ports, ()), key=lambda a: a.ip)),
            not_ready_addresses=tuple(sorted(waiting.get(ports, ()), key=lambda a: a.ip)),
            ports=tuple(EndpointPort(name=n, port=p, protocol=r, app_protocol=a) for n, p, r, a in ports),
        )
        for ports in sorted({*ready, *waiting}, key=repr)
    )


def truncated(found: Sequence[EndpointSubset]) -> tuple[tuple[EndpointSubset, ...], bool]:
    """At most a thousand addresses in all, ready ones first; whether any had to go."""
    total = sum(len(s.addresses) + len(s.not_ready_addresses) for s in found)
    if total <= CAPACITY:
        return tuple(found), False
    room = CAPACITY
    kept = []
    for subset in found:
        addresses = subset.addresses[:room]
        room -= len(addresses)
        kept.append(replace(subset, addresses=addresses))
    cut = []
    for subset in kept:
        addresses = subset.not_ready_addresses[:room]
        room -= len(addresses)
        cut.append(replace(subset, not_ready_addresses=addresses))
    return tuple(s for s in cut if s.addresses or s.not_ready_addresses), True


def decide(service: Service, pods: Iterable[Pod], held: Endpoints | None) -> Endpoints | None:
    """The Endpoints to write, if they differ from what is there."""
    found, cut = truncated(subsets(service, pods))
    labels = {**service.metadata.labels, **MANAGED}
    labels.pop(desired.HEADLESS_LABEL, None)
    if desired.headless(service):
        labels[desired.HEADLESS_LABEL] = ""
    if held is None:
        meta = ObjectMeta(
            name=service.metadata.name,
            namespace=service.metadata.namespace,
            labels=labels,
            annotations={OVER_CAPACITY: "truncated"} if cut else {},
        )
        return Endpoints(metadata=meta, subsets=found)
    annotations = {k: v for k, v in held.metadata.annotations.items() if k != OVER_CAPACITY}
    if cut:
        annotations[OVER_CAPACITY] = "truncated"
    made = replace(held, metadata=replace(held.metadata, labels=labels, annotations=annotations), subsets=found)
    return None if made == held else made


def build(env: Environment) -> Controller[Key]:
    """Keys are Services."""
    triggers = Triggers()
    recorder = env.recorder(IDENTITY, IDENTITY)

    async def reconcile(key: Key, client: Client) -> None:
        service, held = services.get(key[1], key[0]), endpoints.get(key[1], key[0])
        if service is None:
            triggers.forget(key)
            if held is not None and held.metadata.labels.items() >= MANAGED.items():
                await _delete(client, held)
            return
        if not desired.serves(service) or service.metadata.deletion_timestamp is not None:
            return
        chosen = watching.selected(pods, service)
        since = triggers.since(service, chosen)
        made = decide(service, chosen, held)
        if made is not None:
            meta = made.metadata
            await _write(
                client, replace(made, metadata=replace(meta, annotations=with_trigger(meta.annotations, since)))
            )

    async def _write(client: Client, made: Endpoints) -> None:
        namespace, name, fresh = made.metadata.namespace, made.metadata.name, not made.metadata.resource_version
        try:
            await (client.create(made) if fresh else client.update(made))
        except CLIENT_ERRORS as error:
            if fresh and namespace_ends(error):
                return
            reason, text = "FailedToUpdateEndpoint", f"Failed to update endpoint {namespace}/{name}: {error}"
            if fresh:
                reason = "FailedToCreateEndpoint"
                text = f"Failed to create endpoint for service {namespace}/{name}: {error}"
            recorder.event(made, WARNING, reason, text)
            raise

    controller = env.controller("endpoints-controller", IDENTITY, reconcile)
    services = controller.on(Service, own_key)
    pods = controller.on(Pod, watching.services_of_pod(services))
    endpoints = controller.on(Endpoints, own_key)
    return controller


async def _delete(client: Client, held: Endpoints) -> None:
    try:
        await client.delete(Endpoints, held.metadata.name, held.metadata.namespace, uid=held.metadata.uid)
    except StatusError as error:
        if error.code != NOT_FOUND:
            raise
