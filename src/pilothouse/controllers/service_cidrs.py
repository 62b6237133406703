"""ServiceCIDRs: ready when seen, and held while addresses of theirs are in use that no other range has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

import msgspec

from pilothouse.api.time import format_time
from pilothouse.api.types.meta.v1 import Condition
from pilothouse.api.types.networking.v1 import IPAddress, ServiceCIDR
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.pod_control import with_meta
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of, own_key
from pilothouse.semantics import conditions

IDENTITY = "service-cidrs-controller"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
READY = "Ready"
IS_READY = "Kubernetes Service CIDR is ready"
TERMINATING = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
LOOK_AGAIN = 10.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
replace = msgspec.structs.replace


def networks(cidr: ServiceCIDR) -> list[Network]:
    return [ipaddress.ip_network(text) for text in cidr.spec.cidrs]


def may_go(cidr: ServiceCIDR, others: Sequence[ServiceCIDR], addresses: Iterable[str]) -> bool:
    """Whether every address in use from the range belongs to another range as well."""
    mine = networks(cidr)
    rest = [
        n
        for o in others
        if o.metadata.uid != cidr.metadata.uid and o.metadata.deletion_timestamp is None
        for n in networks(o)
    ]
    for text in addresses:
        address = ipaddress.ip_address(text)
        if any(address in n for n in mine) and not any(address in n for n in rest):
            return False
    return True


def told(status: str, reason: str, message: str, now: float) -> Condition:
    return Condition(type=READY, status=status, reason=reason, message=message, last_transition_time=format_time(now))


def with_condition(cidr: ServiceCIDR, condition: Condition) -> ServiceCIDR:
    return replace(cidr, status=replace(cidr.status, conditions=conditions.put(cidr.status.conditions, condition)))


def build(env: Environment) -> Controller[Key]:
    """Keys are ServiceCIDRs."""

    async def reconcile(key: Key, client: Client) -> None:
        cidr = cidrs.get(key[1])
        if cidr is None:
            return
        now = env.clock.now()
        if cidr.metadata.deletion_timestamp is None:
            if FINALIZER not in cidr.metadata.finalizers:
                cidr = await client.update(with_meta(cidr, finalizers=(*cidr.metadata.finalizers, FINALIZER)))
            if conditions.find(cidr.status.conditions, READY) is None:
                await client.update(with_condition(cidr, told("True", "", IS_READY, now)), subresource="status")
            return
        if FINALIZER not in cidr.metadata.finalizers:
            return
        if may_go(cidr, cidrs.list(), [a.metadata.name for a in addresses.list()]):
            kept = tuple(f for f in cidr.metadata.finalizers if f != FINALIZER)
            await client.update(with_meta(cidr, finalizers=kept))
            return
        if not any(c.type == READY and c.status == "False" for c in cidr.status.conditions):
            condition = told("False", "Terminating", TERMINATING, now)
            await client.update(with_condition(cidr, condition), subresource="status")
        controller.queue.add_after(key, LOOK_AGAIN)

    def address_gone(old: IPAddress | None, new: IPAddress | None) -> Iterable[Key]:
        if new is not None:
            return ()
        return [key_of(c) for c in cidrs.list() if c.metadata.deletion_timestamp is not None]

    controller = env.controller("service-cidr-controller", IDENTITY, reconcile, workers=1)
    cidrs = controller.on(ServiceCIDR, own_key)
    addresses = controller.on(IPAddress, address_gone)
    return controller
