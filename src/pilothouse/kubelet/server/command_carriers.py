"""exec and attach over SPDY (v1 to v4) and over WebSocket channels (v1 to v5, binary and base64)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import ConnectionClosed, RawStream
from pilothouse.kit.http.spdy import SpdyConnection, SpdyStream
from pilothouse.kit.http.spdy_frames import ResetStatus, SpdyError
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.server.remote_command import ClientStreams, Outcome, Wanted
from pilothouse.kubelet.server.resizing import SizeReader
from pilothouse.kubelet.server.websocket_channels import Channel, Channels
from pilothouse.seams.streams import ByteReader

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
STREAM_SECONDS = 30.0

SPDY_VERSIONS = {"v4.channel.k8s.io": 4, "v3.channel.k8s.io": 3, "v2.channel.k8s.io": 2, "channel.k8s.io": 1}
WEBSOCKET_VERSIONS = {
    "v5.channel.k8s.io": (5, False),
    "v4.channel.k8s.io": (4, False),
    "v4.base64.channel.k8s.io": (4, True),
    "channel.k8s.io": (1, False),
    "base64.channel.k8s.io": (1, True),
    "": (1, False),
}
Conduct = Callable[[ClientStreams], Awaitable[None]]
"""Runs the command with the client's streams."""


async def over_websocket(stream: RawStream, wanted: Wanted, protocol: str, conduct: Conduct) -> None:
    """Serve a client that speaks WebSocket; returns when all is over."""
    version, text = WEBSOCKET_VERSIONS[protocol]
    readable = {STDIN, RESIZE} if wanted.tty else {STDIN}
    channels = Channels(stream, readable, text=text, version=version)

    async def finish(outcome: Outcome) -> None:
        try:
            if data := outcome.encode(version):
                await channels.channel(ERROR).write(data)
            await channels.close()
        except ConnectionClosed:
            return

    async with TaskScope("websocket", on_failure=_told) as scope:
        reading = scope.spawn(channels.run(), "receive")
        stdout = channels.channel(STDOUT) if wanted.stdout else None
        stderr = channels.channel(STDERR) if wanted.apart else None
        client = ClientStreams(
            stdin=channels.channel(STDIN) if wanted.stdin else None,
            stdout=stdout,
            stderr=stderr,
            resizes=sizes(channels.channel(RESIZE)) if wanted.tty else None,
            finish=finish,
            gone=lambda: _ended(reading),
        )
        try:
            # An empty message tells the client that the connection stands.
            await (stdout or stderr or channels.channel(ERROR)).write(b"")
        except ConnectionClosed:
            return
        await conduct(client)


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.wait((task,))


def _told(name: str, failure: BaseException) -> None:
    """The task log has it; the end of the stream tells the client."""


async def sizes(source: ByteReader | Channel) -> AsyncIterator[tuple[int, int]]:
    """The terminal sizes that a client sends."""
    reader = SizeReader()
    while data := await source.read():
        for size in reader.feed(data):
            yield size


class _Reading:
    """A SPDY stream whose breaking is an end like any other."""

    def __init__(self, stream: SpdyStream) -> None:
        self._stream = stream

    async def read(self) -> bytes:
        try:
            return await self._stream.read()
        except ConnectionClosed:
            return b""


async def over_spdy(stream: RawStream, wanted: Wanted, protocol: str, clock: Clock, conduct: Conduct) -> None:
    """Serve a client that speaks SPDY; returns when all is over."""
    version = SPDY_VERSIONS[protocol]
    connection = SpdyConnection(stream, server=True)
    async with TaskScope("spdy", on_failure=_told) as scope:
        reading = scope.spawn(_run(connection), "frames")
        expected = {"error"}
        expected |= {"stdin"} if wanted.stdin else set()
        expected |= {"stdout"} if wanted.stdout else set()
        expected |= {"stderr"} if wanted.apart else set()
        expected |= {"resize"} if wanted.tty and version >= 3 else set()
        try:
            async with clock.timeout(STREAM_SECONDS):
                streams = await _streams(connection, expected)
        except (TimeoutError, ConnectionClosed):
            await connection.close()
            return

        async def finish(outcome: Outcome) -> None:
            await _finish(streams, outcome.encode(version))
            await connection.close()

        await conduct(
            ClientStreams(
                stdin=_Reading(streams["stdin"]) if wanted.stdin else None,
                stdout=streams.get("stdout"),
                stderr=streams.get("stderr"),
                resizes=sizes(_Reading(streams["resize"])) if "resize" in streams else None,
                finish=finish,
                gone=lambda: _ended(reading),
            )
        )


async def _run(connection: SpdyConnection) -> None:
    try:
        await connection.run()
    except SpdyError:
        await connection.close()


async def _streams(connection: SpdyConnection, expected: set[str]) -> dict[str, SpdyStream]:
    """The streams that a session needs, in whatever order. Raises ConnectionClosed."""
    found: dict[str, SpdyStream] = {}
    while expected - found.keys():
        stream = await connection.accept()
        if stream is None:
            raise ConnectionClosed("the client went before its streams were there")
        kind = stream.headers.get("streamtype", "")
        if kind not in expected or kind in found:
            await stream.reset(ResetStatus.PROTOCOL_ERROR)
            continue
        await stream.reply()
        found[kind] = stream
    return found


async def _finish(streams: dict[str, SpdyStream], outcome: bytes) -> None:
    try:
        if outcome:
            await streams["error"].write(outcome)
    except ConnectionClosed:
        return
    for stream in streams.values():
        await stream.close_write()
