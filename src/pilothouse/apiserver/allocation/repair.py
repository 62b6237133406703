"""After a crash between two writes: every address in use has its IPAddress, and every IPAddress its Service."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.networking.v1 import IPAddress
from pilothouse.apiserver.allocation.addresses import MANAGED_BY, MANAGER, address_object
from pilothouse.apiserver.reader import Reader
from pilothouse.kinds.core.services import needs
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import Client

log = logging.getLogger(__name__)
PERIOD = 180.0
# An address may be taken a moment before its Service is stored.
GRACE = 60.0


def lost(reader: Reader) -> list[tuple[str, Service]]:
    """Addresses of Services that no IPAddress holds."""
    found = []
    for service in reader.list(Service):
        for ip in service.spec.cluster_ips:
            if ip != needs.HEADLESS and reader.get(IPAddress, ip) is None:
                found.append((ip, service))
    return found


def orphaned(reader: Reader, now: float) -> list[IPAddress]:
    """IPAddresses whose Service is not there, or does not have that address."""
    from pilothouse.api.time import parse_time

    found = []
    for address in reader.list(IPAddress):
        meta, parent = address.metadata, address.spec.parent_ref
        ours = meta.labels.get(MANAGED_BY) == MANAGER and parent is not None and parent.resource == "services"
        if not ours or parent is None or now - parse_time(meta.creation_timestamp) < GRACE:
            continue
        service = reader.get(Service, parent.name, parent.namespace)
        if service is None or meta.name not in service.spec.cluster_ips:
            found.append(address)
    return found


async def repair(reader: Reader, client: Client, now: float) -> None:
    """Set right what is wrong now. Raises StatusError if the store cannot take it."""
    for ip, service in lost(reader):
        log.warning(
            "address %s of service %s/%s was not recorded", ip, service.metadata.namespace, service.metadata.name
        )
        try:
            await client.create(address_object(ip, service.metadata.namespace, service.metadata.name))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
    for address in orphaned(reader, now):
        log.warning("address %s belongs to no service any more", address.metadata.name)
        try:
            await client.delete(IPAddress, address.metadata.name, uid=address.metadata.uid)
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise


def held(reader: Reader, address: IPAddress) -> bool:
    """Whether the Service that an address is for has it."""
    parent = address.spec.parent_ref
    if parent is None or parent.resource != "services":
        return False
    service = reader.get(Service, parent.name, parent.namespace)
    return service is not None and address.metadata.name in service.spec.cluster_ips


class Repairs:
    """Repairs now and then, and at once when an IPAddress goes whose Service still has the address."""

    def __init__(self, reader: Reader, client: Client, clock: Clock) -> None:
        self._reader = reader
        self._client = client
        self._clock = clock
        self._torn = asyncio.Event()
        reader.observe(IPAddress, self._seen)

    def _seen(self, before: IPAddress | None, after: IPAddress | None) -> None:
        if after is None and before is not None and held(self._reader, before):
            self._torn.set()

    async def run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(PERIOD):
                    await self._torn.wait()
            self._torn.clear()
            try:
                await repair(self._reader, self._client, self._clock.now())
            except StatusError as error:
                log.warning("cannot repair addresses now: %s", error)
