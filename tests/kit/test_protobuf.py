"""The protobuf wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.kit.protobuf import (
    BYTES,
    END_GROUP,
    FIXED32,
    FIXED64,
    START_GROUP,
    VARINT,
    ProtobufError,
    block,
    read_varint,
    signed,
    skip,
    tag,
    varint,
)
from pilothouse.kit.protowire import parts


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_come_back(number: int) -> None:
    data = varint(number)
    value, at = read_varint(data, 0, len(data))
    assert (signed(value, 64), at) == (number, len(data))


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x80", "unexpected EOF"),
        (b"\xff" * 10 + b"\x01", "proto: integer overflow"),
        (tag(1, BYTES) + b"\x05ab", "unexpected EOF"),
        (tag(1, FIXED64) + b"1234567", "unexpected EOF"),
        (tag(1, START_GROUP) + tag(2, VARINT) + b"\x01", "unexpected EOF"),
        (tag(1, 7), "proto: illegal wireType 7"),
    ],
)
def test_bytes_that_are_no_message(data: bytes, error: str) -> None:
    with pytest.raises(ProtobufError, match=error):
        parts(memoryview(data))


def test_parts_of_a_message_leave_groups_out() -> None:
    group = tag(4, START_GROUP) + block(1, b"x") + tag(5, START_GROUP) + tag(5, END_GROUP) + tag(4, END_GROUP)
    data = tag(1, VARINT) + b"\x07" + group + block(2, b"ab") + tag(3, FIXED32) + b"1234"
    assert [(n, w, v if w == VARINT else bytes(v)) for n, w, v in parts(memoryview(data))] == [
        (1, VARINT, 7),
        (2, BYTES, b"ab"),
        (3, FIXED32, b"1234"),
    ]


def test_groups_in_groups_have_a_limit() -> None:
    with pytest.raises(ProtobufError):
        skip(tag(1, START_GROUP) * 5000, 0, 5000, START_GROUP)
