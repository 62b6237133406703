"""port-forward: over SPDY, over SPDY in a WebSocket, and over WebSocket channels."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from pilothouse.api import integers
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import ConnectionClosed, RawStream
from pilothouse.kit.http.spdy import SpdyConnection, SpdyStream
from pilothouse.kit.http.spdy_frames import ResetStatus, SpdyError
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.server.host import Refused
from pilothouse.kubelet.server.websocket_channels import Channels
from pilothouse.seams.runtime import RuntimeFailure
from pilothouse.seams.streams import ByteStream, StreamClosed

PROTOCOL = "portforward.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNEL_PROTOCOLS = {"v4.channel.k8s.io": False, "v4.base64.channel.k8s.io": True}
PAIR_SECONDS = 30.0
Connect = Callable[[int], Awaitable[ByteStream]]
"""A connection to a port of the pod. Raises RuntimeFailure."""


class Side(Protocol):
    """The client's side of one forwarded connection."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    async def close_write(self) -> None: ...


def ports_of(values: Sequence[str]) -> list[int]:
    """The ports of `port` parameters. Raises Refused."""
    found = []
    for text in ",".join(values).split(","):
        if not text:
            continue
        number = integers.integer(text)
        if number is None:
            raise Refused(400, f'query parameter "port" must be a number: "{text}"')
        if not 0 < number < 65536:
            raise Refused(400, f'query parameter "port" must be between 1 and 65535: {text}')
        found.append(number)
    if not found:
        raise Refused(400, 'query parameter "port" is required')
    return found


async def _pump(source: Side | ByteStream, sink: Side | ByteStream) -> None:
    try:
        while data := await source.read():
            await sink.write(data)
    except (ConnectionClosed, StreamClosed):
        pass
    await sink.close_write()


async def join(client: Side, remote: ByteStream) -> None:
    """Carry bytes both ways until the pod's side has ended."""
    async with TaskScope("forward", on_failure=_told) as scope:
        try:
            scope.spawn(_pump(client, remote), "to-pod")
            await _pump(remote, client)
        finally:
            await remote.close()


def _told(name: str, failure: BaseException) -> None:
    """The task log has it; the connection closes."""


async def over_spdy(stream: RawStream, connect: Connect, about: str, clock: Clock) -> None:
    """Serve a client that opens an error and a data stream for each connection, until it goes. `about` names the pod
    in errors."""
    connection = SpdyConnection(stream, server=True)
    async with TaskScope("port-forward", on_failure=_told) as scope:
        scope.spawn(_run(connection), "frames")
        pairs: dict[str, dict[str, SpdyStream]] = {}
        while (opened := await connection.accept()) is not None:
            kind = opened.headers.get("streamtype", "")
            identity = opened.headers.get("requestid") or _identity(opened)
            port = integers.port(opened.headers.get("port", ""))
            pair = pairs.setdefault(identity, {})
            if kind not in ("error", "data") or kind in pair or port is None:
                await opened.reset(ResetStatus.PROTOCOL_ERROR)
                if not pair:
                    del pairs[identity]
                continue
            await opened.reply()
            pair[kind] = opened
            if len(pair) == 2:
                del pairs[identity]
                scope.spawn(_forward(pair["data"], pair["error"], port, connect, about), f"port-{port}")
            else:
                scope.spawn(_expire(pairs, identity, pair, clock), "pair")
        await connection.close()


def _identity(stream: SpdyStream) -> str:
    """Old clients number nothing: their error stream precedes its data stream."""
    return str(stream.id if stream.headers.get("streamtype") == "error" else stream.id - 2)


async def _expire(
    pairs: dict[str, dict[str, SpdyStream]], identity: str, pair: dict[str, SpdyStream], clock: Clock
) -> None:
    await clock.sleep(PAIR_SECONDS)
    if pairs.get(identity) is pair:
        del pairs[identity]
        for stream in pair.values():
            await stream.reset(ResetStatus.CANCEL)


async def _run(connection: SpdyConnection) -> None:
    try:
        await connection.run()
    except SpdyError:
        await connection.close()


async def _forward(data: SpdyStream, error: SpdyStream, port: int, connect: Connect, about: str) -> None:
    try:
        remote = await connect(port)
    except RuntimeFailure as failure:
        text = f"error forwarding port {port} to pod {about}: {failure}"
        try:
            await error.write(text.encode())
        except ConnectionClosed:
            return
    else:
        await join(data, remote)
    for stream in (error, data):
        await stream.close_write()
    await data.close()


async def over_channels(stream: RawStream, ports: Sequence[int], text: bool, connect: Connect, about: str) -> None:
    """Serve a client with two channels a port (data, error), which begin with the port's number."""
    channels = Channels(stream, {2 * i for i in range(len(ports))}, text=text, version=4)
    async with TaskScope("port-forward", on_failure=_told) as scope:
        reading = scope.spawn(channels.run(), "receive")
        try:
            for i, port in enumerate(ports):
                for number in (2 * i, 2 * i + 1):
                    await channels.send(number, struct.pack("<H", port))
        except ConnectionClosed:
            return
        forwards = [
            scope.spawn(_forward_channel(channels, i, port, connect, about), f"port-{port}")
            for i, port in enumerate(ports)
        ]
        await asyncio.wait((reading, scope.spawn(_all(forwards), "all")), return_when=asyncio.FIRST_COMPLETED)
        await channels.close()


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _forward_channel(channels: Channels, index: int, port: int, connect: Connect, about: str) -> None:
    try:
        remote = await connect(port)
    except RuntimeFailure as failure:
        try:
            await channels.send(2 * index + 1, f"error forwarding port {port} to pod {about}: {failure}".encode())
        except ConnectionClosed:
            return
        return
    await join(channels.channel(2 * index), remote)
