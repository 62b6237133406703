"""The kubelet's HTTPS server.

    server = KubeletServer(host, clock, KubeletAuth(ApiReviews(client, node), clock), metrics)
    port = (await server.listen_socket(bound, tls))[1]

Every request is authenticated and authorized first (`auth`). Paths are the kubelet's own
(`/containerLogs/NAMESPACE/POD/CONTAINER`), answers to refused requests plain text.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, unquote

from pilothouse.api.codec import json as codec
from pilothouse.api.types.core.v1 import PodList
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, Request, Response
from pilothouse.kit.http.server import Server
from pilothouse.kit.metrics import CONTENT_TYPE, Registry
from pilothouse.kubelet.server import figures, logs, node_logs, pages
from pilothouse.kubelet.server.auth import KubeletAuth
from pilothouse.kubelet.server.host import Host, Refused, logged, pod_of
from pilothouse.kubelet.server.streaming import ACCEPTED_HEADER, Streaming, Unnegotiable
from pilothouse.kubelet.stats.exposition import cadvisor, resource_metrics
from pilothouse.kubelet.stats.summary import summary
from pilothouse.seams.runtime import ContainerState, RuntimeFailure

log = logging.getLogger(__name__)
PLAIN = b"text/plain; charset=utf-8"
Query = Mapping[str, Sequence[str]]


class KubeletServer:
    """Serves one node's kubelet."""

    def __init__(self, host: Host, clock: Clock, auth: KubeletAuth, metrics: Registry | None = None) -> None:
        self._host = host
        self._clock = clock
        self._metrics = metrics or Registry()
        figures.declare(self._metrics, host)
        self._auth = auth
        self._started_at = clock.now()
        self._checks: dict[str, float] = {}
        self._streaming = Streaming(host, clock)
        self._http = Server(self.handle, clock, name="kubelet-server")

    async def listen(self, address: str, port: int, context: ssl.SSLContext) -> tuple[str, int]:
        return await self._http.listen(address, port, context)

    async def listen_socket(self, bound: socket.socket, context: ssl.SSLContext) -> tuple[str, int]:
        """Serve on a socket that is bound already."""
        return await self._http.listen_socket(bound, context)

    async def close(self) -> None:
        await self._http.close()

    async def handle(self, request: Request) -> Answer:
        """The handler for the HTTP server."""
        path, _, query = request.target.decode("latin-1").partition("?")
        denied = await self._auth.decide(request, path)
        if denied is not None:
            return _text(denied.status, denied.text)
        return await self._answer(request, path, query)

    async def _answer(self, request: Request, path: str, query: str) -> Answer:
        parts = [unquote(part) for part in path.split("/") if part]
        try:
            # By the name that authorization goes by, too.
            if path.strip("/").partition("/")[0] == "logs" and request.method == "GET":
                below = unquote(path).partition("logs")[2] or "/"
                return await asyncio.to_thread(node_logs.answer, self._host.log_root, below, self._clock)
            return await self._route(request, parts, parse_qs(query, keep_blank_values=True))
        except Unnegotiable as refused:
            accepted = [(ACCEPTED_HEADER, protocol.encode("latin-1")) for protocol in refused.accepted]
            return Response(403, str(refused).encode(), PLAIN, accepted)
        except Refused as refused:
            return _text(refused.status, str(refused))
        except RuntimeFailure as failure:
            return _text(500, str(failure))

    async def _route(self, request: Request, parts: list[str], query: Query) -> Answer:
        match parts:
            case ["exec" | "attach" as verb, namespace, name, container]:
                return self._streaming.command(request, query, verb, namespace, name, container)
            case ["exec" | "attach" as verb, namespace, name, uid, container]:
                self._check_uid(namespace, name, uid)
                return self._streaming.command(request, query, verb, namespace, name, container)
            case ["portForward", namespace, name]:
                return self._streaming.port_forward(request, query, namespace, name)
            case ["portForward", namespace, name, uid]:
                self._check_uid(namespace, name, uid)
                return self._streaming.port_forward(request, query, namespace, name)
        if request.method != "GET":
            return Response(405, b"Method Not Allowed", PLAIN, [(b"Allow", b"GET")])
        match parts:
            case ["containerLogs", namespace, name, container]:
                return self._logs(namespace, name, container, query)
            case ["healthz"]:
                return self._healthz("", query)
            case ["healthz", check]:
                return self._healthz(check, query)
            case ["pods"]:
                return self._pods(running_only=False)
            case ["runningpods"]:
                return self._pods(running_only=True)
            case _:
                return await self._figures(parts)

    async def _figures(self, parts: list[str]) -> Answer:
        match parts:
            case ["metrics"]:
                return _metrics(self._metrics.text())
            case ["metrics", "resource"]:
                return _metrics(resource_metrics(await self._host.usage()))
            case ["metrics", "cadvisor"]:
                return _metrics(cadvisor(await self._host.usage()))
            case ["metrics", "probes"]:
                return _metrics(self._host.probe_metrics.text())
            case ["metrics", "slis"]:
                return _metrics(pages.slis(self._checks))
            case ["stats"] | ["stats", "summary"]:
                return Response(200, json.dumps(summary(await self._host.usage())).encode())
        return self._page(parts)

    def _page(self, parts: list[str]) -> Answer:
        match parts:
            case ["configz"]:
                return Response(200, pages.configz(self._host.options).encode())
            case ["statusz"]:
                return _text(200, pages.statusz(self._started_at, self._clock.now()))
            case ["flagz"]:
                return _text(200, pages.flagz(self._host.options))
        return _text(404, "404 page not found\n")

    def _healthz(self, check: str, query: Query) -> Answer:
        text = pages.health(check, verbose="verbose" in query)
        if text is None:
            return _text(404, "404 page not found\n")
        for name in (check,) if check else pages.CHECKS:
            self._checks[name] = self._checks.get(name, 0) + 1
        return _text(200, text)

    def _check_uid(self, namespace: str, name: str, uid: str) -> None:
        if pod_of(self._host, namespace, name).pod.metadata.uid != uid:
            raise Refused(404, "pod not found")

    def _pods(self, *, running_only: bool) -> Answer:
        held = self._host.held()
        items = tuple(item.pod for item in held if not running_only or item.state.running())
        return Response(200, codec.encode(PodList(items=items)))

    def _logs(self, namespace: str, name: str, container: str, query: Query) -> Answer:
        options = logs.options_of(query, self._clock.now())
        held = pod_of(self._host, namespace, name, f'pod "{name}" does not exist')
        run = logged(held, container, query.get("previous", ("",))[0] in ("true", "1"))

        async def alive() -> bool:
            known = held.state.containers.get(run.id)
            return known is not None and known.state is ContainerState.RUNNING

        return Response(200, logs.read_log(logs.path_of(run), options, alive, self._clock), PLAIN)


def _metrics(text: str) -> Response:
    return Response(200, text.encode(), CONTENT_TYPE.encode())


def _text(status: int, text: str) -> Response:
    return Response(status, text.encode(), PLAIN)
