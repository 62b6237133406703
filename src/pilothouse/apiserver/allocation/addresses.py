"""Cluster addresses: each one given out is an IPAddress object, so that the store itself never gives one out twice."""

from __future__ import annotations

import collections
import ipaddress
from collections.abc import Callable, Sequence

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.networking.v1 import IPAddress, IPAddressSpec, ParentReference, ServiceCIDR
from pilothouse.apiserver.allocation.pools import PoolError, addresses
from pilothouse.apiserver.reader import Reader
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import Client

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MANAGER = "ipallocator.k8s.io"
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
FAMILY = "ipaddress.kubernetes.io/ip-family"


def parent_of(namespace: str, name: str) -> ParentReference:
    return ParentReference(resource="services", namespace=namespace, name=name)


def address_object(ip: str, namespace: str, name: str) -> IPAddress:
    family = "IPv6" if ":" in ip else "IPv4"
    return IPAddress(
        metadata=ObjectMeta(name=ip, labels={FAMILY: family, MANAGED_BY: MANAGER}),
        spec=IPAddressSpec(parent_ref=parent_of(namespace, name)),
    )


class ServiceIPAllocator:
    """Gives out addresses of the Service ranges. `client` acts as the server itself. An address that a stored Service
    has is not given out either, should someone have deleted its IPAddress."""

    def __init__(self, default: Network, reader: Reader, client: Callable[[], Client], chance: Chance) -> None:
        self._default = default
        self._reader = reader
        self._client = client
        self._chance = chance
        self._stored: collections.Counter[str] = collections.Counter()
        reader.observe(Service, self._seen)

    def _seen(self, before: Service | None, after: Service | None) -> None:
        if before is not None:
            self._stored.subtract(before.spec.cluster_ips)
        if after is not None:
            self._stored.update(after.spec.cluster_ips)

    def networks(self) -> Sequence[Network]:
        """All ranges: the server's own, and those of further ServiceCIDRs."""
        found: list[Network] = [self._default]
        for cidr in self._reader.list(ServiceCIDR):
            if cidr.metadata.deletion_timestamp is None:
                found += [n for text in cidr.spec.cidrs if (n := ipaddress.ip_network(text)) not in found]
        return found

    def taken(self, ip: str) -> bool:
        return self._stored[ip] > 0 or self._reader.get(IPAddress, ip) is not None

    async def claim(self, ip: str, namespace: str, name: str, dry_run: bool) -> None:
        """Take this very address for a Service. Raises PoolError."""
        address = ipaddress.ip_address(ip)
        network = next((n for n in self.networks() if address in n), None)
        if network is None:
            raise PoolError("the provided network does not match the current range")
        if int(address) not in addresses(network):
            raise PoolError(f"the provided IP ({ip}) is not in the valid range. The range of valid IPs is {network}")
        if self.taken(ip):
            raise PoolError("provided IP is already allocated")
        if not dry_run:
            await self._create(ip, namespace, name)

    async def _create(self, ip: str, namespace: str, name: str) -> None:
        try:
            await self._client().create(address_object(ip, namespace, name))
        except StatusError as error:
            if error.reason == "AlreadyExists":
                raise PoolError("provided IP is already allocated") from None
            raise

    async def next(self, family: str, namespace: str, name: str, dry_run: bool) -> str:
        """Take any address of `family`. Raises PoolError."""
        for network in self.networks():
            if (network.version == 6) != (family == "IPv6"):
                continue
            while True:
                number = addresses(network).next(lambda n: self.taken(str(ipaddress.ip_address(n))), self._chance)
                ip = str(ipaddress.ip_address(number))
                if dry_run:
                    return ip
                try:
                    await self._create(ip, namespace, name)
                except PoolError:
                    continue  # someone else was faster
                return ip
        raise PoolError("range is full")

    async def release(self, ip: str, namespace: str, name: str) -> None:
        """Give an address of a Service back; one that is free already, or another's by now, is no error."""
        held = await self._reader.latest(IPAddress, ip)
        if held is None or held.spec.parent_ref != parent_of(namespace, name):
            return
        try:
            await self._client().delete(IPAddress, ip, uid=held.metadata.uid)
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
