"""The proxy subresource of pods, services and nodes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from pilothouse.api import errors, integers
from pilothouse.api.types.core.v1 import Node, Pod, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.streaming.carry import carry, is_upgrade, request_headers, unreachable
from pilothouse.apiserver.streaming.nodes import Kubelets, address_of, port_of, reach
from pilothouse.apiserver.streaming.rewriting import Rules, rewritten
from pilothouse.apiserver.streaming.targets import Place, pod_place, service_place, split_name
from pilothouse.kit import tls
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, RawStream, Response
from pilothouse.kit.random import Chance

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


# A slash of a path, which is read unescaped.
_SLASH = re.compile(rb"/|%2[Ff]")


def split_target(target: bytes, namespaced: bool) -> tuple[bytes, bytes, bytes]:
    """(what is before the proxied path, the proxied path as sent, "?" and the query) of a request target."""
    path, mark, query = target.partition(b"?")
    slashes = [found.start() for found in _SLASH.finditer(path)]
    own = 7 if namespaced else 5
    end = slashes[own] if len(slashes) > own else len(path)
    return path[:end], path[end:], mark + query


class Proxy:
    """Carries requests to pods, services and nodes."""

    def __init__(self, reader: Reader, kubelets: Kubelets, clock: Clock, chance: Chance) -> None:
        self._reader = reader
        self._kubelets = kubelets
        self._clock = clock
        self._chance = chance

    async def pod(self, context: Context) -> Answer:
        scheme, name, port = split_name(context.info.name, "pod")
        pod = await self._reader.latest(Pod, name, context.info.namespace)
        if pod is None:
            raise errors.not_found("", "pods", name)
        return await self._to_place(context, pod_place(pod, scheme, port))

    async def service(self, context: Context) -> Answer:
        scheme, name, port = split_name(context.info.name, "service")
        namespace = context.info.namespace
        service = await self._reader.latest(Service, name, namespace)
        if service is None:
            raise errors.not_found("", "services", name)
        slices = [
            found
            for found in self._reader.list(EndpointSlice, namespace)
            if (found.metadata.labels or {}).get("kubernetes.io/service-name") == name
        ]
        return await self._to_place(context, service_place(service, slices, scheme, port, self._chance))

    async def node(self, context: Context) -> Answer:
        scheme, name, port = split_name(context.info.name, "node")
        node = await self._reader.latest(Node, name)
        if node is None:
            raise errors.not_found("", "nodes", name)
        if port in ("", str(port_of(node))):
            host = Place("https", address_of(node), port_of(node)).authority
            return await self._to(context, lambda: self._kubelets.connect(node), host, namespaced=False)
        number = integers.port(port)
        if number is None:
            raise errors.bad_request(f'invalid node request "{context.info.name}"')
        place = Place(scheme or "http", address_of(node), number)
        return await self._to_place(context, place, namespaced=False)

    async def _to_place(self, context: Context, place: Place, *, namespaced: bool = True) -> Answer:
        async def connect() -> RawStream:
            context_ = tls.client_context(None) if place.scheme == "https" else None
            return await reach(place.host, place.port, context_, self._clock)

        return await self._to(context, connect, place.authority, namespaced=namespaced)

    async def _to(
        self, context: Context, connect: Callable[[], Awaitable[RawStream]], host: str, *, namespaced: bool
    ) -> Answer:
        """`host`: what the server calls itself."""
        request = context.request
        prefix, path, query = split_target(request.target, namespaced)
        if not path and request.method in ("GET", "HEAD") and not is_upgrade(request):
            return Response(301, b"", b"", [(b"Location", prefix + b"/" + query)])
        upgrade = is_upgrade(request)
        more = () if upgrade else ((b"x-forwarded-uri", prefix + path),)
        headers = request_headers(request, upgrade=upgrade, more=more)
        try:
            stream = await connect()
        except OSError as error:
            raise unreachable(error) if upgrade else unavailable(error) from None
        answer = await carry(stream, request, (path or b"/") + query, headers)
        if upgrade or not isinstance(answer, Response):
            return answer
        asked = (request.header(b"host") or b"").decode("latin-1")
        return rewritten(answer, Rules(unquote(prefix.decode("latin-1"), "latin-1"), host, asked))


def unavailable(error: OSError) -> errors.StatusError:
    """What a client is told when what it wants proxied cannot be reached."""
    return errors.make(503, "ServiceUnavailable", f"error trying to reach service: {error}")
