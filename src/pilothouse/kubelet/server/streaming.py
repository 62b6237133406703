"""Requests for exec, attach and port-forward: which protocol, which container, and the answer that takes over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilothouse.kit.clock import Clock
from pilothouse.kit.http import websocket
from pilothouse.kit.http.messages import Answer, Header, RawStream, Request, Upgrade
from pilothouse.kubelet.server import port_forward, remote_command
from pilothouse.kubelet.server.command_carriers import (
    SPDY_VERSIONS,
    WEBSOCKET_VERSIONS,
    Conduct,
    over_spdy,
    over_websocket,
)
from pilothouse.kubelet.server.host import Host, Refused, pod_of, running
from pilothouse.kubelet.server.port_forward import Connect
from pilothouse.kubelet.server.remote_command import ClientStreams
from pilothouse.kubelet.server.websocket_channels import SocketBytes
from pilothouse.seams.runtime import RuntimeFailure
from pilothouse.seams.streams import ByteStream, Session

PROTOCOL_HEADER = b"X-Stream-Protocol-Version"
ACCEPTED_HEADER = b"X-Accepted-Stream-Protocol-Versions"
Query = Mapping[str, Sequence[str]]


class Unnegotiable(Refused):
    """No protocol in common; the answer names ours."""

    def __init__(self, offered: Sequence[str], accepted: Sequence[str]) -> None:
        told = f"client supports [{' '.join(offered)}], server accepts [{' '.join(accepted)}]"
        super().__init__(403, f"unable to upgrade: unable to negotiate protocol: {told}")
        self.accepted = accepted


def wants_spdy(request: Request) -> bool:
    connection, upgrade = request.header(b"connection") or b"", request.header(b"upgrade") or b""
    return b"upgrade" in connection.lower() and upgrade.lower() == b"spdy/3.1"


def negotiate_spdy(request: Request, accepted: Sequence[str]) -> tuple[str, list[Header]]:
    """The protocol for a SPDY client, and the headers that tell it. Raises Unnegotiable."""
    values = [value.decode("latin-1") for name, value in request.headers if name == PROTOCOL_HEADER.lower()]
    offered = [token.strip() for value in values for token in value.split(",")]
    headers = [(b"Connection", b"Upgrade"), (b"Upgrade", b"SPDY/3.1")]
    if not offered:
        return accepted[-1], headers
    for protocol in offered:
        if protocol in accepted:
            return protocol, [*headers, (PROTOCOL_HEADER, protocol.encode("latin-1"))]
    raise Unnegotiable(offered, accepted)


def negotiate_websocket(request: Request, accepted: Sequence[str]) -> tuple[str, list[Header]]:
    """The subprotocol for a WebSocket client. Raises Refused."""
    offered = websocket.offered_protocols(request)
    protocol = next((p for p in offered if p in accepted), None) if offered else ""
    if protocol is None or protocol not in accepted:
        raise Unnegotiable(offered, [p for p in accepted if p])
    try:
        return protocol, websocket.accept_headers(request, protocol)
    except websocket.HandshakeFailure as failure:
        raise Refused(400, str(failure)) from None


class Streaming:
    """Answers exec, attach and port-forward for the pods of `host`."""

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._clock = clock

    def command(self, request: Request, query: Query, verb: str, namespace: str, name: str, container: str) -> Answer:
        """`verb` is exec or attach. Raises Refused."""
        wanted = remote_command.wanted(query)
        held = pod_of(self._host, namespace, name)
        target = running(held, container)
        command = list(query.get("command", ()))
        runtime = self._host.runtime
        if verb == "exec" and not command:
            raise Refused(400, "you must specify at least one command for the container")

        async def begin() -> Session:
            if verb == "exec":
                return await runtime.exec(target.id, command, stdin=wanted.stdin, tty=wanted.tty)
            return await runtime.attach(target.id, stdin=wanted.stdin, tty=wanted.tty)

        what = "executing command in" if verb == "exec" else "attaching to"

        async def conduct(client: ClientStreams) -> None:
            await remote_command.run(begin, client, what, f"[{' '.join(command)}]")

        return self._upgrade_command(request, wanted, conduct)

    def _upgrade_command(self, request: Request, wanted: remote_command.Wanted, conduct: Conduct) -> Answer:
        if websocket.wants_websocket(request):
            protocol, headers = negotiate_websocket(request, tuple(WEBSOCKET_VERSIONS))

            async def socket(stream: RawStream) -> None:
                await over_websocket(stream, wanted, protocol, conduct)

            return Upgrade(headers, socket)
        if wants_spdy(request):
            protocol, headers = negotiate_spdy(request, tuple(SPDY_VERSIONS))

            async def spdy(stream: RawStream) -> None:
                await over_spdy(stream, wanted, protocol, self._clock, conduct)

            return Upgrade(headers, spdy)
        raise Refused(400, "Upgrade request required")

    def port_forward(self, request: Request, query: Query, namespace: str, name: str) -> Answer:
        """Raises Refused."""
        held = pod_of(self._host, namespace, name)
        about = f"{held.pod.metadata.name}_{namespace}, uid {held.pod.metadata.uid}"

        async def connect(port: int) -> ByteStream:
            sandbox = held.state.sandbox()
            if sandbox is None:
                raise RuntimeFailure("pod not running")
            return await self._host.runtime.port_forward(sandbox.id, port)

        if websocket.wants_websocket(request):
            return self._forward_websocket(request, query, connect, about)
        if not wants_spdy(request):
            raise Refused(400, "Upgrade request required")
        _, headers = negotiate_spdy(request, (port_forward.PROTOCOL,))

        async def spdy(stream: RawStream) -> None:
            await port_forward.over_spdy(stream, connect, about, self._clock)

        return Upgrade(headers, spdy)

    def _forward_websocket(self, request: Request, query: Query, connect: Connect, about: str) -> Answer:
        if port_forward.TUNNEL in websocket.offered_protocols(request):
            _, headers = negotiate_websocket(request, (port_forward.TUNNEL,))

            async def tunnel(stream: RawStream) -> None:
                await port_forward.over_spdy(SocketBytes(stream), connect, about, self._clock)

            return Upgrade(headers, tunnel)
        protocol, headers = negotiate_websocket(request, (*port_forward.CHANNEL_PROTOCOLS, ""))
        ports = port_forward.ports_of(query.get("port", ()))

        async def channels(stream: RawStream) -> None:
            text = port_forward.CHANNEL_PROTOCOLS.get(protocol, False)
            await port_forward.over_channels(stream, ports, text, connect, about)

        return Upgrade(headers, channels)
