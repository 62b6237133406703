"""exec, attach and port-forward over every protocol that clients speak."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.kit.http.messages import RawStream
from pilothouse.kit.http.spdy import SpdyConnection, SpdyStream
from pilothouse.kit.http.websocket import WebSocket, client_headers
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.server.resizing import SizeReader
from tests.kubelet.server.node import Node, node


@contextlib.asynccontextmanager
async def websocket(one: Node, target: str, *protocols: str) -> AsyncIterator[WebSocket]:
    headers, accept = client_headers(protocols)
    async with one.ask(target, *headers) as response:
        assert response.status == 101, await response.read(1000)
        assert response.header(b"sec-websocket-accept") == accept
        assert response.upgraded is not None
        yield WebSocket(response.upgraded, server=False)


@contextlib.asynccontextmanager
async def spdy(one: Node, target: str, protocol: str) -> AsyncIterator[SpdyConnection]:
    upgrade = (
        (b"Connection", b"Upgrade"),
        (b"Upgrade", b"SPDY/3.1"),
        (b"X-Stream-Protocol-Version", protocol.encode()),
    )
    async with one.ask(target, *upgrade, method="POST") as response:
        assert response.status == 101, await response.read(1000)
        assert response.header(b"x-stream-protocol-version") == protocol.encode()
        assert response.upgraded is not None
        async with speaking(response.upgraded) as connection:
            yield connection


@contextlib.asynccontextmanager
async def speaking(raw: RawStream) -> AsyncIterator[SpdyConnection]:
    connection = SpdyConnection(raw, server=False)
    async with TaskScope("client") as scope:
        scope.spawn(connection.run(), "frames")
        yield connection
        await connection.close()


async def everything(stream: SpdyStream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def messages(socket: WebSocket) -> dict[int, bytes]:
    """What came on each channel until the server closed."""
    found: dict[int, bytes] = {}
    while (message := await socket.receive()) is not None:
        channel, data = message.data[0], message.data[1:]
        if message.text:
            channel, data = channel - ord("0"), base64.b64decode(data)
        found[channel] = found.get(channel, b"") + data
    return found


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io", "v4.base64.channel.k8s.io"])
@pytest.mark.parametrize("command", ["say", "exit", "nosuch"])
async def test_commands_over_websocket(tmp_path: Path, protocol: str, command: str) -> None:
    target = f"/exec/default/p/c?command={command}&command=3&output=1&error=1"
    async with node(tmp_path) as one, websocket(one, target, "unknown", protocol) as socket:
        found = await messages(socket)
        status = json.loads(found[3])
        if command == "say":
            assert (found[1], found[2], status["status"]) == (b"3", b"aside", "Success")
        elif command == "exit":
            assert status["reason"] == "NonZeroExitCode"
            assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
        else:
            assert (status["reason"], status["code"]) == ("InternalError", 500)
            assert "executable file not found" in status["message"]
        assert socket.close_code == 1000


@pytest.mark.parametrize(("protocol", "told"), [("channel.k8s.io", b""), ("", b"")])
async def test_the_first_protocol_tells_no_success(tmp_path: Path, protocol: str, told: bytes) -> None:
    offered = [protocol] if protocol else []
    target = "/exec/default/p/c?command=say&command=3&output=1"
    async with node(tmp_path) as one, websocket(one, target, *offered) as socket:
        found = await messages(socket)
        assert (found[1], found.get(3, b"")) == (b"3", told)


async def test_closing_stdin_and_resizing_over_websocket(tmp_path: Path) -> None:
    target = "/exec/default/p/c?command=cat&input=1&output=1&tty=1"
    async with node(tmp_path) as one, websocket(one, target, "v5.channel.k8s.io") as socket:
        await socket.send(b'\x04{"Width":80,"Height":25}')
        await socket.send(b"\x00abc")
        got = b""
        while got not in (b"80x25abc", b"abc80x25"):
            message = await socket.receive()
            assert message is not None
            got += message.data[1:]
        await socket.send(b"\xff\x00")
        assert json.loads((await messages(socket))[3])["status"] == "Success"


async def test_a_client_that_goes_ends_its_session(tmp_path: Path) -> None:
    async with node(tmp_path) as one:
        async with websocket(one, "/attach/default/p/c?output=1", "v4.channel.k8s.io") as socket:
            assert await socket.receive() is not None
        (session,) = one.host.pipes.sessions
        async with asyncio.timeout(30):
            while not session.closed:  # noqa: ASYNC110
                await asyncio.sleep(0.001)


@pytest.mark.parametrize("version", ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"])
async def test_commands_over_spdy(tmp_path: Path, version: str) -> None:
    target = "/exec/default/p/c?command=cat&input=1&output=1&error=1"
    async with node(tmp_path) as one, spdy(one, target, version) as connection:
        error = await connection.open({"streamType": "error"})
        stdin = await connection.open({"streamType": "stdin"})
        stdout = await connection.open({"streamType": "stdout"})
        stderr = await connection.open({"streamType": "stderr"})
        data = bytes(range(256)) * 2000
        reading = asyncio.ensure_future(everything(stdout))
        await stdin.write(data)
        await stdin.close_write()
        assert await reading == data
        assert await everything(stderr) == b""
        told = await everything(error)
        assert (json.loads(told)["status"] == "Success") if version.startswith("v4") else told == b""


async def test_exit_codes_and_sizes_over_spdy(tmp_path: Path) -> None:
    target = "/exec/default/p/c?command=cat&input=1&output=1&tty=1"
    async with node(tmp_path) as one, spdy(one, target, "v4.channel.k8s.io") as connection:
        streams = {kind: await connection.open({"streamtype": kind}) for kind in ("error", "stdin", "stdout", "resize")}
        await streams["resize"].write(b'{"Width":80,"Height":25}\n{"Wid')
        assert await streams["stdout"].read() == b"80x25"
        await streams["stdin"].close_write()
        assert json.loads(await everything(streams["error"]))["status"] == "Success"


async def forwarded(connection: SpdyConnection, port: int, identity: str) -> tuple[bytes, bytes]:
    headers = {"port": str(port), "requestid": identity}
    error = await connection.open({**headers, "streamtype": "error"})
    await error.close_write()
    data = await connection.open({**headers, "streamtype": "data"})
    await data.write(b"hello")
    await data.close_write()
    return await everything(data), await everything(error)


@pytest.mark.parametrize("tunnelled", [False, True])
async def test_port_forward_over_spdy(tmp_path: Path, tunnelled: bool) -> None:
    async with node(tmp_path) as one, contextlib.AsyncExitStack() as stack:
        target = "/portForward/default/p"
        if tunnelled:
            socket = await stack.enter_async_context(websocket(one, target, "SPDY/3.1+portforward.k8s.io"))
            connection = await stack.enter_async_context(speaking(Bytes(socket)))
        else:
            connection = await stack.enter_async_context(spdy(one, target, "portforward.k8s.io"))
        assert await asyncio.gather(*(forwarded(connection, 80, str(i)) for i in range(3))) == [(b"HELLO", b"")] * 3
        data, error = await forwarded(connection, 81, "9")
        assert (data, error) == (
            b"",
            b"error forwarding port 81 to pod p_default, uid u1: connection refused",
        )


class Bytes:
    """The client's end of a tunnel."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        message = await self._socket.receive()
        return message.data if message is not None else b""

    async def write(self, data: bytes) -> None:
        await self._socket.send(data)

    async def close(self) -> None:
        await self._socket.close()


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v4.base64.channel.k8s.io"])
async def test_port_forward_over_channels(tmp_path: Path, protocol: str) -> None:
    text = "base64" in protocol
    target = "/portForward/default/p?port=80&port=81"
    async with node(tmp_path) as one, websocket(one, target, protocol) as socket:
        await socket.send(b"0" + base64.b64encode(b"hello") if text else b"\x00hello", text=text)
        found: dict[int, bytes] = {}
        while len(found.get(0, b"")) < 7 or len(found.get(3, b"")) < 3:
            message = await socket.receive()
            assert message is not None
            channel, data = message.data[0] - (48 if text else 0), message.data[1:]
            found[channel] = found.get(channel, b"") + (base64.b64decode(data) if text else data)
        assert found[0] == b"\x50\x00HELLO"
        assert found[1] == b"\x50\x00"
        assert found[3].startswith(b"\x51\x00error forwarding port 81")


def test_sizes_come_in_pieces_and_nonsense_is_dropped() -> None:
    reader = SizeReader()
    assert reader.feed(b'{"Width":80,"Hei') == []
    assert reader.feed(b'ght":25}{"width":1,"height":2}[]{"Width":-1,"Height":5}') == [(80, 25), (1, 2)]
    assert reader.feed(b"x" * 5000) == []
    assert reader.feed(b'{"Width":3,"Height":4}') == [(3, 4)]
