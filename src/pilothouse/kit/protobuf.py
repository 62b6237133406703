"""The protobuf wire: varints, tags, lengths. Pure. Everybody who reads or writes it does so with these."""

from __future__ import annotations

VARINT, FIXED64, BYTES, START_GROUP, END_GROUP, FIXED32 = range(6)
_SMALL = [bytes((n,)) for n in range(128)]
_MASK = (1 << 64) - 1
Octets = bytes | memoryview


class ProtobufError(ValueError):
    """Bytes that are no message of the wanted type, in the words of Go's generated decoders."""


def varint(number: int) -> bytes:
    """A varint; negative numbers take ten bytes, as int32 and int64 do."""
    if 0 <= number < 128:
        return _SMALL[number]
    number &= _MASK
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def block(number: int, data: bytes) -> bytes:
    """A length-delimited field: text, bytes or a message."""
    return tag(number, BYTES) + varint(len(data)) + data


def read_varint(data: Octets, at: int, end: int) -> tuple[int, int]:
    """(unsigned value, where it ends)."""
    value = shift = 0
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & _MASK, at
        shift += 7
        if shift >= 64:
            raise ProtobufError("proto: integer overflow")
    raise ProtobufError("unexpected EOF")


def signed(value: int, bits: int) -> int:
    """The int32 or int64 of a varint: cut to its bits, then its sign."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def read_length(data: Octets, at: int, end: int) -> tuple[int, int]:
    """(start, end) of the bytes of a length-delimited field."""
    length, at = read_varint(data, at, end)
    if length >= 1 << 63:
        raise ProtobufError("proto: negative length found during unmarshaling")
    if at + length > end:
        raise ProtobufError("unexpected EOF")
    return at, at + length


def skip(data: Octets, at: int, end: int, wire_type: int, depth: int = 0) -> int:
    """The end of a field of no interest that starts (after its tag) at `at`."""
    if wire_type == VARINT:
        return read_varint(data, at, end)[1]
    if wire_type == BYTES:
        return read_length(data, at, end)[1]
    if wire_type in (FIXED64, FIXED32):
        at += 8 if wire_type == FIXED64 else 4
        if at > end:
            raise ProtobufError("unexpected EOF")
        return at
    if wire_type != START_GROUP or depth > 100:
        raise ProtobufError(f"proto: illegal wireType {wire_type}")
    while True:
        key, at = read_varint(data, at, end)
        if key & 7 == END_GROUP:
            return at
        at = skip(data, at, end, key & 7, depth + 1)
