"""Cluster DNS of one node: the zone from informers, the upstreams from the node's resolv.conf, the sockets."""

from __future__ import annotations

import asyncio
import logging
import pathlib
from collections.abc import Sequence

from pilothouse.api.types.core.v1 import Namespace, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.dns.cache import AnswerCache
from pilothouse.dns.forward import Forwarder
from pilothouse.dns.resolv import upstreams_of
from pilothouse.dns.server import DNSServer, Resolver
from pilothouse.dns.zone import Directory, Zone
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.machinery.informer import Informers

log = logging.getLogger(__name__)
# How often the node's resolv.conf is looked at: DHCP and people change it.
LOOK_SECONDS = 10.0


class ClusterDNS:
    """Answers on `addresses` (the cluster's DNS address first: the zone's name server has it), for `domain` from the
    API, for all else through the name servers in `resolv_conf`. With the API away, the last state goes on."""

    def __init__(
        self,
        informers: Informers,
        clock: Clock,
        chance: Chance,
        addresses: Sequence[str],
        *,
        domain: str = "cluster.local",
        resolv_conf: pathlib.Path = pathlib.Path("/etc/resolv.conf"),
        port: int = 53,
    ) -> None:
        self.directory = Directory()
        zone = Zone(self.directory, domain, own_ip=addresses[0], shuffle=chance.below)
        self._forwarder = Forwarder((), clock, chance, AnswerCache())
        self.resolver = Resolver(zone, self._forwarder, chance)
        self.server = DNSServer(self.resolver, clock, addresses, port)
        self._informers = informers
        self._clock = clock
        self._addresses = tuple(addresses)
        self._resolv_conf = resolv_conf
        self._read: str | None = None
        self._listening = asyncio.Event()
        self._ready = asyncio.Event()

    async def wait_listening(self) -> None:
        """Return when the sockets are bound."""
        await self._listening.wait()

    async def wait_ready(self) -> None:
        """Return when the cluster's names are answered."""
        await self._ready.wait()

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError if the addresses cannot be bound. Before the first sync, names outside
        are answered already, and the cluster's fail in a way that makes clients ask again."""
        self._listen()
        await self.server.start()
        self._listening.set()
        try:
            await self._look()
            for kind in (Service, EndpointSlice, Namespace):
                await self._informers.of(kind).wait_synced()
            self.resolver.ready = True
            self._ready.set()
            while True:
                await self._clock.sleep(LOOK_SECONDS)
                await self._look()
        finally:
            await self.server.close()

    def _listen(self) -> None:
        self._informers.of(Service).add_handler(self._service_changed)
        self._informers.of(EndpointSlice).add_handler(self._slice_changed)
        self._informers.of(Namespace).add_handler(self._namespace_changed)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        if new is not None:
            self.directory.put_service(new)
        elif old is not None:
            self.directory.drop_service(old)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if new is not None:
            self.directory.put_slice(new)
        elif old is not None:
            self.directory.drop_slice(old)

    def _namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        if new is not None:
            self.directory.put_namespace(new.metadata.name)
        elif old is not None:
            self.directory.drop_namespace(old.metadata.name)

    async def _look(self) -> None:
        try:
            text = self._resolv_conf.read_text(errors="replace")
        except OSError as error:
            log.warning("%s: %s", self._resolv_conf, error)
            text = ""
        if text == self._read:
            return
        self._read = text
        upstreams = upstreams_of(text, self._addresses)
        self._forwarder.replace_upstreams(upstreams)
        if upstreams and self.server.listening and await self.resolver.look_for_loop():
            log.error("the name servers in %s ask this server in turn; not forwarding", self._resolv_conf)
            self._forwarder.replace_upstreams(())
