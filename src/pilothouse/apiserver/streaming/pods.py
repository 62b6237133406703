"""exec, attach, port-forward and log of pods."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from pilothouse.api import errors
from pilothouse.api.types.core.v1 import Node, Pod
from pilothouse.api.types.meta.v1 import StatusDetails
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.request.query import Query
from pilothouse.apiserver.streaming import locate
from pilothouse.apiserver.streaming.carry import CarriedBody, carry, is_upgrade, request_headers, unreachable, upgraded
from pilothouse.apiserver.streaming.log_socket import log_socket, negotiate
from pilothouse.apiserver.streaming.nodes import Kubelets
from pilothouse.kit.http.client import BadAnswer, ClientRequest, exchange
from pilothouse.kit.http.messages import Answer, ConnectionClosed, RawStream, Response
from pilothouse.kit.http.websocket import wants_websocket

MAX_TEXT = 50_000


class PodStreams:
    """Handlers for the subresources of pods that a kubelet answers."""

    def __init__(self, reader: Reader, kubelets: Kubelets) -> None:
        self._reader = reader
        self._kubelets = kubelets

    async def exec(self, context: Context) -> Answer:
        return await self._upgraded(context, lambda pod, query: locate.command_target("exec", pod, query))

    async def attach(self, context: Context) -> Answer:
        return await self._upgraded(context, lambda pod, query: locate.command_target("attach", pod, query))

    async def port_forward(self, context: Context) -> Answer:
        return await self._upgraded(context, locate.port_forward_target)

    async def log(self, context: Context) -> Answer:
        """GET of a container's log: what the kubelet sends, as it comes."""
        socket = negotiate(context.request) if wants_websocket(context.request) else None
        pod = await self._pod(context)
        target = locate.log_target(pod, context.query)
        if not target:
            return Response(204, b"", b"")
        stream = await self._connect(pod)
        sent = ClientRequest("GET", target, [(b"Host", b"kubelet"), (b"User-Agent", b"kube-apiserver")])
        stack = contextlib.AsyncExitStack()
        handed_over = False
        try:
            response = await stack.enter_async_context(exchange(stream, sent))
            if not 200 <= response.status <= 206:
                text = (await response.read(MAX_TEXT)).decode("utf-8", "replace")
                raise refusal(context.info.name, response.status, text)
            handed_over = True
            body = CarriedBody(response, stack)
            return Response(200, body, b"text/plain") if socket is None else log_socket(*socket, body)
        except (ConnectionClosed, BadAnswer) as error:
            raise unreachable(error) from None
        finally:
            if not handed_over:
                await stack.aclose()

    async def _upgraded(self, context: Context, target_of: Callable[[Pod, Query], bytes]) -> Answer:
        request = context.request
        pod = await self._pod(context)
        target = target_of(pod, context.query)
        if not is_upgrade(request):
            raise errors.bad_request("Upgrade request required")
        stream = await self._connect(pod)
        return await upgraded(await carry(stream, request, target, request_headers(request, upgrade=True)))

    async def _pod(self, context: Context) -> Pod:
        name, namespace = context.info.name, context.info.namespace
        pod = await self._reader.latest(Pod, name, namespace)
        if pod is None:
            raise errors.not_found("", "pods", name)
        return pod

    async def _connect(self, pod: Pod) -> RawStream:
        name = pod.spec.node_name
        node = self._reader.get(Node, name) or await self._reader.latest(Node, name)
        if node is None:
            raise errors.not_found("", "nodes", name)
        try:
            return await self._kubelets.connect(node)
        except OSError as error:
            raise unreachable(error) from None


def refusal(name: str, status: int, text: str) -> errors.StatusError:
    """What a kubelet's refusal of a log becomes."""
    if status == 400:
        return errors.bad_request(text)
    if status == 500:
        return errors.internal(text)
    details = StatusDetails(name=name, kind="pods/log")
    if status == 404:
        told = f"the server could not find the requested resource ( pods/log {name})"
        return errors.make(404, "NotFound", told, details)
    return errors.make(status, "", f"the server responded with the status code {status}: {text}", details)
