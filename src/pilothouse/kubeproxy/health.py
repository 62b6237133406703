"""Health check ports of load balancers: 200 while this node has endpoints of the Service, 503 when it has none."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Request, Response
from pilothouse.kit.http.server import Server
from pilothouse.kubeproxy.model import HealthCheck

log = logging.getLogger(__name__)


class HealthPorts:
    """One HTTP server a port, opened and closed as Services come and go. A busy port is logged and tried again at the
    next change."""

    def __init__(self, clock: Clock, host: str = "0.0.0.0") -> None:
        self._clock = clock
        self._host = host
        self._servers: dict[int, Server] = {}
        self._checks: dict[int, HealthCheck] = {}

    async def serve(self, checks: Iterable[HealthCheck]) -> None:
        """Serve just these."""
        self._checks = {c.port: c for c in checks}
        for port in self._servers.keys() - self._checks.keys():
            await self._servers.pop(port).close()
        for port in self._checks.keys() - self._servers.keys():
            await self._open(port)

    async def close(self) -> None:
        await self.serve(())

    async def _open(self, port: int) -> None:
        async def answer(request: Request) -> Response:
            return self._answer(port)

        server = Server(answer, self._clock, name=f"health-check-{port}")
        try:
            await server.listen(self._host, port)
        except OSError as error:
            log.warning("health check port %d: %s", port, error)
            return
        self._servers[port] = server

    def _answer(self, port: int) -> Response:
        check = self._checks[port]
        body = {
            "service": {"namespace": check.namespace, "name": check.name},
            "localEndpoints": check.local_endpoints,
            "serviceProxyHealthy": True,
        }
        status = 200 if check.local_endpoints else 503
        return Response(status, json.dumps(body).encode(), headers=((b"x-content-type-options", b"nosniff"),))
