"""An exec or attach in containerd, over SPDY as its streaming server speaks it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from pilothouse.kit.http.messages import ConnectionClosed
from pilothouse.kit.http.spdy import SpdyConnection, SpdyStream
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.containerd.dial import SocketStream
from pilothouse.seams.streams import ByteReader, ByteWriter, ExitStatus, StreamClosed

PROTOCOL = "v4.channel.k8s.io"
UNKNOWN = -1


class _Reader:
    def __init__(self, stream: SpdyStream) -> None:
        self._stream = stream

    async def read(self) -> bytes:
        try:
            return await self._stream.read()
        except ConnectionClosed:
            return b""


class _Writer:
    def __init__(self, stream: SpdyStream) -> None:
        self._stream = stream

    async def write(self, data: bytes) -> None:
        try:
            await self._stream.write(data)
        except ConnectionClosed as error:
            raise StreamClosed(str(error)) from None

    async def close(self) -> None:
        try:
            await self._stream.close_write()
        except ConnectionClosed:
            return


def exit_status(data: bytes) -> ExitStatus:
    """The end of a process, from the Status that v4 sends on its error stream. Nothing at all: a broken stream."""
    try:
        status: dict[str, Any] = json.loads(data)
    except ValueError:
        return ExitStatus(UNKNOWN, data.decode(errors="replace") or "the stream ended without a status")
    if status.get("status") == "Success":
        return ExitStatus(0)
    causes = (status.get("details") or {}).get("causes") or ()
    if status.get("reason") == "NonZeroExitCode":
        for cause in causes:
            if cause.get("reason") == "ExitCode":
                return ExitStatus(int(cause["message"]))
    return ExitStatus(UNKNOWN, str(status.get("message", "")))


class SpdySession:
    """`seams.streams.Session`; made by `open_session`."""

    def __init__(self, scope: TaskScope, connection: SpdyConnection, streams: dict[str, SpdyStream]) -> None:
        self._scope = scope
        self._connection = connection
        self._resize = streams.get("resize")
        self.stdin: ByteWriter | None = _Writer(streams["stdin"]) if "stdin" in streams else None
        self.stdout: ByteReader = _Reader(streams["stdout"])
        self.stderr: ByteReader | None = _Reader(streams["stderr"]) if "stderr" in streams else None
        self._status = scope.spawn(self._follow(streams["error"]), "error-stream")

    async def _follow(self, stream: SpdyStream) -> ExitStatus:
        reader, parts = _Reader(stream), []
        while data := await reader.read():
            parts.append(data)
        return exit_status(b"".join(parts))

    async def resize(self, width: int, height: int) -> None:
        if self._resize is not None:
            text = json.dumps({"Width": width, "Height": height}) + "\n"
            await _Writer(self._resize).write(text.encode())

    async def wait(self) -> ExitStatus:
        try:
            return await asyncio.shield(self._status)
        except asyncio.CancelledError:
            if self._status.cancelled():
                return ExitStatus(UNKNOWN, "the session was closed")
            raise

    async def close(self) -> None:
        await self._connection.close()
        await self._scope.close()


async def open_session(raw: SocketStream, *, stdin: bool, tty: bool) -> SpdySession:
    """Open the streams of a session in the order its server wants. Raises ConnectionClosed."""
    scope = TaskScope("session", on_failure=lambda name, error: None)
    connection = SpdyConnection(raw, server=False)
    scope.spawn(connection.run(), "spdy")
    wanted = [
        "error",
        *(["stdin"] if stdin else []),
        "stdout",
        *([] if tty else ["stderr"]),
        *(["resize"] if tty else []),
    ]
    streams = {}
    try:
        for kind in wanted:
            streams[kind] = await connection.open({"streamtype": kind})
        await streams["error"].close_write()
    except ConnectionClosed:
        await scope.close()
        raise
    return SpdySession(scope, connection, streams)
