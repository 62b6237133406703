"""The HTTP/1.1 server: listens, keeps count of its connections, closes the slow and the idle, drains.

    server = Server(handler, clock, Limits())
    address = await server.listen("127.0.0.1", 0, tls)
    ...
    await server.close(grace=5.0)

Pipelined requests are answered in order. A request that cannot be read is answered as Go's net/http does, and the
connection closes. A handler that fails is told to the log, and its request answered 500; an answer that fails half way
closes its connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

from pilothouse.kit.clock import Clock
from pilothouse.kit.http.connection import Connection
from pilothouse.kit.http.head_budget import HeadBudget
from pilothouse.kit.http.heads import http_date
from pilothouse.kit.http.limits import Limits
from pilothouse.kit.http.messages import Handler
from pilothouse.kit.http.response_writer import LEAST_BUFFER, WRITE_BUFFER
from pilothouse.kit.http.write_scheduler import WriteScheduler
from pilothouse.kit.tasks import TaskScope

HANDSHAKE_SECONDS = 10.0
SWEEP_SECONDS = 1.0
# What may wait in all, by and large, for peers that do not read.
_BUFFERS = 4 << 20


class Server:
    """Serves `handler` on any number of addresses until closed."""

    def __init__(self, handler: Handler, clock: Clock, limits: Limits | None = None, name: str = "http") -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.turns = WriteScheduler()
        self.heads = HeadBudget(self.limits.heads_bytes)
        self.draining = False
        self.answered = 0
        """Responses sent, ever."""
        self.refused = 0
        """Connections closed for what is no request, or for being too many."""
        self.failures = 0
        """Handlers, and bodies of answers, that ended with an exception."""
        self.scope = TaskScope(name, on_failure=self._failed)
        self._clock = clock
        self._listeners: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self.now = clock.monotonic()
        """Coarse time: as of the last sweep."""
        self.date = http_date(clock.now())

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._connections)

    @property
    def write_buffer(self) -> int:
        """Bytes that may wait for the peer of one more connection: the fewer, the more connections there are."""
        return max(LEAST_BUFFER, min(WRITE_BUFFER, _BUFFERS // (len(self._connections) + 1)))

    @property
    def busy_connections(self) -> int:
        """Connections on which a request is being answered, or which were upgraded."""
        return sum(connection.busy for connection in self._connections)

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        """Accept connections; the address that was bound (port 0 takes a free one)."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        both = host == "::" and socket.has_dualstack_ipv6()
        bound = socket.create_server((host, port), family=family, backlog=1024, dualstack_ipv6=both)
        return await self.listen_socket(bound, tls)

    async def listen_socket(self, bound: socket.socket, tls: ssl.SSLContext | None = None) -> tuple[str, int]:
        """Accept connections on a socket that is bound already."""
        listener = await asyncio.get_running_loop().create_server(
            lambda: Connection(self),
            sock=bound,
            ssl=tls,
            backlog=1024,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if tls is not None else None,
        )
        self._listeners.append(listener)
        if self._sweeper is None:
            self._sweeper = self.scope.spawn(self._sweep(), "sweep")
        name = listener.sockets[0].getsockname()
        return (str(name[0]), int(name[1])) if isinstance(name, tuple) else (str(name), 0)

    async def close(self, grace: float = 0.0) -> None:
        """Accept nothing more; answer what has begun, for at most `grace` seconds; then cut the rest off."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.close_if_idle()
        if self._connections and grace > 0:
            try:
                async with self._clock.timeout(grace):
                    await self._wait_empty()
            except TimeoutError:
                pass
        for connection in list(self._connections):
            connection.writer.abort()
        if self._connections:
            await self._wait_empty()
        await self.scope.close()

    async def _wait_empty(self) -> None:
        while self._connections:
            self._empty.clear()
            await self._empty.wait()

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_SECONDS)
            self.now = self._clock.monotonic()
            self.date = http_date(self._clock.now())
            for connection in list(self._connections):
                connection.sweep()

    def _failed(self, name: str, failure: BaseException) -> None:
        self.failures += 1

    # What connections call.

    def opened(self, connection: Connection) -> None:
        """A connection has been made."""
        self._connections.add(connection)
        if len(self._connections) > self.limits.connections or self.draining:
            self.refused += 1
            connection.writer.abort()
            return
        bare: socket.socket | None = connection.writer.transport.get_extra_info("socket")
        if bare is not None and bare.family in (socket.AF_INET, socket.AF_INET6):
            _keep_alive(bare)

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def linger(self, connection: Connection) -> None:
        """Close `connection` after the time to linger."""
        self.scope.spawn(self._close_later(connection), "linger")

    async def _close_later(self, connection: Connection) -> None:
        await self._clock.sleep(self.limits.linger_seconds)
        connection.writer.abort()


def _keep_alive(bare: socket.socket) -> None:
    """Let the kernel find peers that vanished: after three minutes of silence, three probes, 30 seconds apart."""
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 180), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            bare.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
