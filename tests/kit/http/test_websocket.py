"""RFC 6455: what one end sends the other gets, and who breaks the protocol is told so."""

from __future__ import annotations

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.kit.http.messages import ConnectionClosed
from pilothouse.kit.http.websocket import (
    Message,
    Opcode,
    WebSocket,
    WebSocketError,
    accept_key,
    apply_mask,
    encode_frame,
)
from pilothouse.testing.http import MemoryStream, raw_pair

MASK = b"\x01\x02\x03\x04"


def pair(cut: int = 1 << 20, limit: int = 1 << 20) -> tuple[WebSocket, WebSocket]:
    near, far = raw_pair(limit=1 << 30, cut=cut)
    return WebSocket(near, server=False, limit=limit), WebSocket(far, server=True, limit=limit)


def raw_client() -> tuple[MemoryStream, WebSocket]:
    near, far = raw_pair(limit=1 << 30)
    return near, WebSocket(far, server=True, limit=1000)


def test_the_accept_key_of_the_rfc() -> None:
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_masking_is_its_own_inverse(data: bytes, mask: bytes) -> None:
    assert apply_mask(data, mask) == bytes(b ^ mask[i % 4] for i, b in enumerate(data))
    assert apply_mask(apply_mask(data, mask), mask) == data


@given(st.lists(st.tuples(st.binary(max_size=200), st.booleans()), max_size=5), st.integers(1, 50))
def test_messages_arrive_whole_whatever_the_pieces(messages: list[tuple[bytes, bool]], cut: int) -> None:
    async def run() -> None:
        for sender, receiver in (pair(cut), pair(cut)[::-1]):
            for data, text in messages:
                await sender.send(data.hex().encode() if text else data, text)
            await sender.close(1000, "done")
            for data, text in messages:
                assert await receiver.receive() == Message(data.hex().encode() if text else data, text)
            assert await receiver.receive() is None
            assert (receiver.close_code, receiver.close_reason) == (1000, "done")
            assert await sender.receive() is None
            assert sender.close_code == 1000

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 200_000])
async def test_sizes(size: int) -> None:
    client, server = pair()
    await client.send(b"x" * size)
    await server.send(b"y" * size)
    assert await server.receive() == Message(b"x" * size)
    assert await client.receive() == Message(b"y" * size)


async def test_fragments_are_joined_and_pings_answered_between_them() -> None:
    raw, server = raw_client()
    await raw.write(encode_frame(Opcode.TEXT, "grü".encode()[:3], final=False, mask=MASK))
    await raw.write(encode_frame(Opcode.PING, b"there?", mask=MASK))
    await raw.write(encode_frame(Opcode.PONG, b"", mask=MASK))
    await raw.write(encode_frame(Opcode.CONTINUATION, "grü".encode()[3:], mask=MASK))
    assert await server.receive() == Message("grü".encode(), text=True)
    assert await raw.read() == encode_frame(Opcode.PONG, b"there?")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode_frame(Opcode.BINARY, b"unmasked"), 1002),
        (b"\xc2\x80" + MASK, 1002),  # a reserved bit
        (encode_frame(5, b"", mask=MASK), 1002),
        (encode_frame(Opcode.PING, b"", final=False, mask=MASK), 1002),
        (encode_frame(Opcode.PING, b"x" * 126, mask=MASK), 1002),
        (encode_frame(Opcode.CONTINUATION, b"", mask=MASK), 1002),
        (encode_frame(Opcode.TEXT, b"", final=False, mask=MASK) + encode_frame(Opcode.TEXT, b"", mask=MASK), 1002),
        (encode_frame(Opcode.TEXT, b"\xff", mask=MASK), 1007),
        (encode_frame(Opcode.BINARY, b"x" * 1001, mask=MASK), 1009),
        (encode_frame(Opcode.BINARY, b"x" * 600, final=False, mask=MASK)
         + encode_frame(Opcode.CONTINUATION, b"x" * 600, mask=MASK), 1009),
        (b"\x82\xff" + b"\xff" * 8 + MASK, 1009),
        (encode_frame(Opcode.CLOSE, b"x", mask=MASK), 1002),
        (encode_frame(Opcode.CLOSE, struct.pack("!H", 999), mask=MASK), 1002),
        (encode_frame(Opcode.CLOSE, struct.pack("!H", 1000) + b"\xff", mask=MASK), 1007),
    ],
)  # fmt: skip
async def test_a_broken_protocol_is_told(data: bytes, code: int) -> None:
    raw, server = raw_client()
    await raw.write(data)
    with pytest.raises(WebSocketError) as caught:
        await server.receive()
    assert caught.value.code == code
    frame = await raw.read()
    assert frame[0] == 0x88
    assert struct.unpack("!H", frame[2:4]) == (code,)
    assert await server.receive() is None
    with pytest.raises(ConnectionClosed):
        await server.send(b"")


async def test_a_peer_that_just_goes() -> None:
    raw, server = raw_client()
    await raw.write(b"\x82\x85" + MASK + b"ab")
    await raw.close()
    assert await server.receive() is None
    assert server.close_code == 1006
    await server.close(1001, "nobody hears it")


async def test_close_without_a_code() -> None:
    raw, server = raw_client()
    await raw.write(encode_frame(Opcode.CLOSE, b"", mask=MASK))
    assert await server.receive() is None
    assert server.close_code == 1005


@given(st.binary(max_size=200))
def test_no_bytes_crash_it(data: bytes) -> None:
    async def run() -> None:
        raw, server = raw_client()
        await raw.write(data)
        await raw.close()
        try:
            while await server.receive() is not None:
                pass
        except WebSocketError:
            pass

    asyncio.run(run())
