"""UDP and TCP on one address and port."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import cast

from pilothouse.dns.server.resolver import Pending, Resolver
from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope

log = logging.getLogger(__name__)
UDP_LIMIT = 4096
IDLE_SECONDS = 10.0
MAX_CONNECTIONS = 256
MAX_PENDING = 1000
Sender = Callable[[bytes, tuple[str, int]], None]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DNSServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.resolver.answer(data, UDP_LIMIT)
        if isinstance(answer, Pending):
            self._server.spawn_udp(answer, data, addr, self.send)
        else:
            self.send(answer, addr)

    def send(self, packet: bytes, addr: tuple[str, int]) -> None:
        if packet and self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(packet, addr)

    def error_received(self, error: Exception) -> None:
        log.debug("a client went away: %s", error)


class DNSServer:
    """Serves `resolver` on `addresses` (of this process's network namespace); `port` 0 takes a free one."""

    def __init__(self, resolver: Resolver, clock: Clock, addresses: Sequence[str], port: int = 53) -> None:
        self.resolver = resolver
        self.port = port
        self._addresses = tuple(addresses)
        self._clock = clock
        self._transports: list[asyncio.BaseTransport] = []
        self._servers: list[asyncio.Server] = []
        self._scope = TaskScope("dns", on_failure=lambda name, error: None)
        self._pending = 0
        self._connections = 0

    @property
    def listening(self) -> bool:
        return bool(self._transports)

    async def start(self) -> None:
        """Bind all sockets; OSError if an address is missing or taken. On return, questions are answered."""
        loop = asyncio.get_running_loop()
        try:
            for address in self._addresses:
                server = await asyncio.start_server(self._serve, address, self.port, backlog=128)
                self._servers.append(server)
                self.port = server.sockets[0].getsockname()[1]
                family = socket.AF_INET6 if ":" in address else socket.AF_INET
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=(address, self.port), family=family
                )
                self._transports.append(transport)
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        """Unbind, and drop what is under way."""
        for transport in self._transports:
            transport.close()
        for server in self._servers:
            server.close()
        self._transports, self._servers = [], []
        await self._scope.close()

    def spawn_udp(self, pending: Pending, packet: bytes, addr: tuple[str, int], send: Sender) -> None:
        """Answer later; beyond MAX_PENDING the question is dropped, and the client asks again."""
        if self._pending >= MAX_PENDING:
            return
        self._pending += 1
        self._scope.spawn(self._finish_udp(pending, packet, addr, send), "question")

    async def _finish_udp(self, pending: Pending, packet: bytes, addr: tuple[str, int], send: Sender) -> None:
        try:
            send(await self.resolver.finish(pending, packet, UDP_LIMIT), addr)
        finally:
            self._pending -= 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections += 1
        try:
            while True:
                async with self._clock.timeout(IDLE_SECONDS):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    packet = await reader.readexactly(size)
                answer = self.resolver.answer(packet, None)
                if isinstance(answer, Pending):
                    answer = await self.resolver.finish(answer, packet, None)
                if not answer:
                    return
                async with self._clock.timeout(IDLE_SECONDS):
                    writer.write(len(answer).to_bytes(2, "big") + answer)
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            log.debug("a connection ended: %s", error)
        finally:
            self._connections -= 1
            writer.close()
