"""SPDY/3.1: both ends against each other, and one end against hand-made frames."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.kit.http.messages import ConnectionClosed
from pilothouse.kit.http.spdy import SpdyConnection, SpdyStream, StreamReset
from pilothouse.kit.http.spdy_frames import (
    DICTIONARY,
    FIN,
    FrameType,
    HeaderCompressor,
    HeaderDecompressor,
    ResetStatus,
    SpdyError,
    control_frame,
    data_frame,
)
from pilothouse.kit.tasks import TaskScope
from pilothouse.testing.http import MemoryStream, raw_pair


@contextlib.asynccontextmanager
async def connected(
    cut: int = 1 << 20, limit: int = 64 * 1024, windows: bool = False
) -> AsyncIterator[tuple[SpdyConnection, SpdyConnection]]:
    near, far = raw_pair(limit=limit, cut=cut)
    client = SpdyConnection(near, server=False, windows=windows)
    server = SpdyConnection(far, server=True)
    async with TaskScope("test") as scope:
        scope.spawn(client.run(), "client")
        scope.spawn(server.run(), "server")
        yield client, server
        await client.close()
        await server.close()


@contextlib.asynccontextmanager
async def by_hand() -> AsyncIterator[tuple[MemoryStream, SpdyConnection, asyncio.Task[None]]]:
    raw, far = raw_pair(limit=1 << 30)
    server = SpdyConnection(far, server=True)
    async with TaskScope("test", on_failure=lambda name, failure: None) as scope:
        yield raw, server, scope.spawn(server.run(), "server")


def syn(identity: int, compressor: HeaderCompressor, flags: int = 0, **headers: str) -> bytes:
    payload = struct.pack("!IIBB", identity, 0, 0, 0) + compressor.encode(headers)
    return control_frame(FrameType.SYN_STREAM, payload, flags)


def test_the_dictionary_is_the_protocols() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.lists(st.dictionaries(st.text("abc-", min_size=1), st.text().filter(lambda v: "\0" not in v)), max_size=4))
def test_header_blocks_of_one_direction(blocks: list[dict[str, str]]) -> None:
    compressor, decompressor = HeaderCompressor(), HeaderDecompressor()
    for headers in blocks:
        assert decompressor.decode(compressor.encode(headers)) == headers


def test_a_header_bomb_is_refused() -> None:
    bomb = HeaderCompressor().encode({"x": "a" * 10_000_000})
    with pytest.raises(SpdyError):
        HeaderDecompressor().decode(bomb)


async def test_streams_carry_bytes_both_ways_and_end_one_by_one() -> None:
    async with connected() as (client, server):
        opening = asyncio.ensure_future(client.open({"streamType": "data", "port": "80"}))
        far = await server.accept()
        assert far is not None
        assert far.headers == {"streamtype": "data", "port": "80"}
        await far.reply()
        near = await opening
        await near.write(b"hello")
        await near.close_write()
        assert await far.read() == b"hello"
        assert await far.read() == b""
        await far.write(b"bye")
        await far.close_write()
        assert await near.read() == b"bye"
        assert await near.read() == b""
        with pytest.raises(ConnectionClosed):
            await near.write(b"late")


@pytest.mark.parametrize("windows", [False, True])
async def test_many_streams_and_large_data_at_once(windows: bool) -> None:
    data = bytes(range(256)) * 4000
    async with connected(cut=10_000, windows=windows) as (client, server), TaskScope("echo") as scope:

        async def echo() -> None:
            while (stream := await server.accept()) is not None:
                await stream.reply()
                scope.spawn(copy(stream), "copy")

        async def copy(stream: SpdyStream) -> None:
            while piece := await stream.read():
                await stream.write(piece)
            await stream.close_write()

        async def use() -> bytes:
            stream = await client.open({})
            sending = scope.spawn(stream.write(data), "send")
            got = b""
            while len(got) < len(data):
                got += await stream.read()
            await sending
            await stream.close_write()
            assert await stream.read() == b""
            return got

        scope.spawn(echo(), "echo")
        assert await asyncio.gather(*[use() for _ in range(5)]) == [data] * 5
        assert client.windows is server.windows is windows
        await client.close()


async def test_a_reader_that_does_not_read_holds_the_writer_up() -> None:
    async with connected() as (client, server), TaskScope("t", on_failure=lambda n, f: None) as scope:
        opening = asyncio.ensure_future(client.open({}))
        far = await server.accept()
        assert far is not None
        await far.reply()
        near = await opening
        writing = scope.spawn(near.write(b"x" * 5_000_000), "write")
        for _ in range(200):
            await asyncio.sleep(0)
        assert not writing.done()
        await far.reset(ResetStatus.CANCEL)
        with pytest.raises(StreamReset):
            await writing


async def test_a_refused_stream() -> None:
    async with connected() as (client, server):
        opening = asyncio.ensure_future(client.open({}))
        far = await server.accept()
        assert far is not None
        await far.reset(ResetStatus.REFUSED_STREAM)
        with pytest.raises(StreamReset):
            await opening


async def test_pings() -> None:
    async with connected() as (client, server):
        await client.ping()
        await server.ping()


async def test_the_end_of_the_connection_breaks_everything() -> None:
    async with connected() as (client, server):
        opening = asyncio.ensure_future(client.open({}))
        far = await server.accept()
        assert far is not None
        await far.reply()
        near = await opening
        reading, pinging = asyncio.ensure_future(near.read()), asyncio.ensure_future(client.ping())
        await asyncio.sleep(0)
        await server.close()
        for waiting in (reading, pinging):
            with pytest.raises(ConnectionClosed):
                await waiting
        assert await server.accept() is None
        with pytest.raises(ConnectionClosed):
            await client.open({})


async def test_a_peer_without_flow_control_is_not_held_to_a_window() -> None:
    async with by_hand() as (raw, server, _):
        await raw.write(syn(1, HeaderCompressor()))
        stream = await server.accept()
        assert stream is not None
        await stream.write(b"x" * 1_000_000)
        assert not server.windows
        await raw.write(control_frame(FrameType.WINDOW_UPDATE, struct.pack("!II", 1, 10)))
        await raw.write(data_frame(1, b"then"))
        assert await stream.read() == b"then"
        assert server.windows


async def test_data_with_its_end_in_one_frame_and_late_frames() -> None:
    async with by_hand() as (raw, server, _):
        compressor = HeaderCompressor()
        await raw.write(syn(1, compressor) + data_frame(1, b"abc", FIN) + data_frame(1, b"late"))
        await raw.write(control_frame(FrameType.RST_STREAM, struct.pack("!II", 99, 1)) + data_frame(77, b"nobody"))
        await raw.write(control_frame(FrameType.SETTINGS, struct.pack("!I", 0)) + syn(3, compressor, FIN, a="b"))
        first, second = await server.accept(), await server.accept()
        assert first is not None
        assert second is not None
        assert [await first.read(), await first.read()] == [b"abc", b""]
        assert (second.headers, await second.read()) == ({"a": "b"}, b"")


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack("!HHI", 0x8002, 1, 0),  # another version
        struct.pack("!HHI", 0x8003, 1, 0xFFFFFF),  # too large
        control_frame(FrameType.PING, b"ab"),
        control_frame(FrameType.SYN_STREAM, b"\0\0\0\1" + b"\0" * 20),
        syn(2, HeaderCompressor()),  # the server's own half of the ids
        syn(3, HeaderCompressor()) + syn(1, HeaderCompressor()),
        control_frame(FrameType.SYN_STREAM, struct.pack("!IIBB", 1, 0, 0, 0)),
    ],
)
async def test_a_broken_protocol_ends_the_connection(frame: bytes) -> None:
    async with by_hand() as (raw, server, running):
        await raw.write(frame)
        with pytest.raises(SpdyError):
            await running
        while await server.accept() is not None:
            pass


@given(st.lists(st.one_of(
    st.binary(max_size=40),
    st.builds(control_frame, st.sampled_from(list(FrameType)), st.binary(max_size=30), st.integers(0, 3)),
    st.builds(data_frame, st.integers(0, 9), st.binary(max_size=30), st.integers(0, 3)),
), max_size=6))  # fmt: skip
def test_no_bytes_crash_it(frames: list[bytes]) -> None:
    async def run() -> None:
        raw, far = raw_pair(limit=1 << 30)
        server = SpdyConnection(far, server=True)
        await raw.write(syn(1, HeaderCompressor()) + b"".join(frames))
        await raw.close()
        with contextlib.suppress(SpdyError):
            await server.run()
        while await server.accept() is not None:
            pass

    asyncio.run(run())
