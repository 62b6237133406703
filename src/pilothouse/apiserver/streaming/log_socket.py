"""A container's log as the messages of a WebSocket, for clients that cannot read a body as it comes."""

from __future__ import annotations

import asyncio
import base64

from pilothouse.api import errors
from pilothouse.apiserver.streaming.carry import CarriedBody, told
from pilothouse.kit.http.messages import ConnectionClosed, Header, RawStream, Request, Upgrade
from pilothouse.kit.http.websocket import HandshakeFailure, WebSocket, WebSocketError, accept_headers, offered_protocols
from pilothouse.kit.tasks import TaskScope

BASE64 = "base64.binary.k8s.io"
PROTOCOLS = ("binary.k8s.io", BASE64)


def negotiate(request: Request) -> tuple[str, list[Header]]:
    """The subprotocol ("" if the client names none), and the headers that tell it. Raises StatusError."""
    offered = offered_protocols(request)
    protocol = next((p for p in offered if p in PROTOCOLS), "")
    try:
        if offered and not protocol:
            raise HandshakeFailure(
                f"unable to negotiate protocol: client supports {offered}, server accepts {PROTOCOLS}"
            )
        return protocol, accept_headers(request, protocol)
    except HandshakeFailure as failure:
        raise errors.bad_request(str(failure)) from None


def log_socket(protocol: str, headers: list[Header], body: CarriedBody) -> Upgrade:
    """The answer that sends `body` message by message, after an empty first one that tells the client it is through to
    the log. What the client sends is not looked at; when either side is at its end, both are."""
    text = protocol == BASE64

    async def send(socket: WebSocket) -> None:
        try:
            await socket.send(b"", text=text)
            async for piece in body:
                await socket.send(base64.b64encode(piece) if text else piece, text=text)
            await socket.close()
        except ConnectionClosed:
            return

    async def ignore(socket: WebSocket) -> None:
        try:
            while await socket.receive() is not None:
                pass
        except WebSocketError:
            return

    async def run(stream: RawStream) -> None:
        socket = WebSocket(stream, server=True)
        try:
            async with TaskScope("log", on_failure=told) as scope:
                tasks = scope.spawn(send(socket), "send"), scope.spawn(ignore(socket), "ignore")
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await body.aclose()

    return Upgrade(headers, run)
