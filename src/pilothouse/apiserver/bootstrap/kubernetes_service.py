"""The Service `kubernetes` in `default`, by which pods reach the API server, and the address behind it."""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Service,
    ServicePort,
    ServiceSpec,
)
from pilothouse.api.types.discovery import v1 as discovery
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.reader import Reader
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import Client

log = logging.getLogger(__name__)
NAME, NAMESPACE = "kubernetes", "default"
LABELS = {"component": "apiserver", "provider": "kubernetes"}
PERIOD = 10.0


def service(service_range: str, port: int) -> Service:
    """At the first address of the range, which nothing else can have."""
    first = str(ipaddress.ip_network(service_range)[1])
    return Service(
        metadata=ObjectMeta(name=NAME, namespace=NAMESPACE, labels=LABELS),
        spec=ServiceSpec(
            type="ClusterIP",
            cluster_ip=first,
            cluster_ips=(first,),
            ports=(ServicePort(name="https", protocol="TCP", port=443, target_port=port),),
        ),
    )


def endpoints(host: str, port: int) -> Endpoints:
    subset = EndpointSubset(
        addresses=(EndpointAddress(ip=host),), ports=(EndpointPort(name="https", port=port, protocol="TCP"),)
    )
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return Endpoints(metadata=ObjectMeta(name=NAME, namespace=NAMESPACE, labels=labels), subsets=(subset,))


def endpoint_slice(host: str, port: int) -> discovery.EndpointSlice:
    return discovery.EndpointSlice(
        metadata=ObjectMeta(name=NAME, namespace=NAMESPACE, labels={"kubernetes.io/service-name": NAME}),
        address_type="IPv6" if ":" in host else "IPv4",
        endpoints=(discovery.Endpoint(addresses=(host,), conditions=discovery.EndpointConditions(ready=True)),),
        ports=(discovery.EndpointPort(name="https", port=port, protocol="TCP"),),
    )


class KubernetesService:
    """Keeps the three objects as they should be."""

    def __init__(self, reader: Reader, client: Client, service_range: str) -> None:
        self._reader = reader
        self._client = client
        self._range = service_range

    async def publish(self, host: str, port: int) -> None:
        """Write what is missing or differs. Raises StatusError."""
        held = self._reader.get(Service, NAME, NAMESPACE)
        await self._put(service(self._range, port), held, held is not None)
        if not host:
            return
        wanted = endpoints(host, port)
        found = self._reader.get(Endpoints, NAME, NAMESPACE)
        await self._put(wanted, found, found is not None and found.subsets == wanted.subsets)
        slice_ = endpoint_slice(host, port)
        there = self._reader.get(discovery.EndpointSlice, NAME, NAMESPACE)
        same = there is not None and (there.endpoints, there.ports) == (slice_.endpoints, slice_.ports)
        await self._put(slice_, there, same)

    async def _put(self, wanted: Any, found: Any, same: bool) -> None:
        if same:
            return
        try:
            if found is None:
                await self._client.create(wanted)
            else:
                version = found.metadata.resource_version
                meta = replace(wanted.metadata, resource_version=version)
                await self._client.update(replace(wanted, metadata=meta))
        except StatusError as error:
            if error.reason not in ("AlreadyExists", "Conflict"):
                raise

    async def publish_for_ever(self, host: str, port: int, clock: Clock) -> None:
        while True:
            await clock.sleep(PERIOD)
            try:
                await self.publish(host, port)
            except StatusError as error:
                log.warning("cannot publish the API server's own Service now: %s", error)


def split_address(address: str) -> tuple[str, int]:
    """Host and port; no host and 443 where there is no address."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port) if port.isdigit() else 443
