"""The protobuf wire format of gRPC services that are not the Kubernetes API (CRI, etcd), driven by tables. Pure.

proto3 rules: a zero scalar is not written, unknown fields are skipped, a repeated scalar is read packed or not.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import Struct

Q = TypeVar("Q", bound=Struct)
A = TypeVar("A", bound=Struct)
Table = Mapping[type[Struct], "tuple[Field, ...]"]
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_MASK = (1 << 64) - 1


class WireError(ValueError):
    """Bytes that are no message."""


class Kind(Enum):
    STRING = 1
    BYTES = 2
    BOOL = 3
    INT = 4
    DOUBLE = 5
    MESSAGE = 6
    STRING_MAP = 7


class Field(NamedTuple):
    number: int
    attribute: str
    kind: Kind
    repeated: bool = False
    message: type[Struct] | None = None


class Method(NamedTuple, Generic[Q, A]):
    """A gRPC method."""

    path: str
    request: type[Q]
    answer: type[A]


def _varint(value: int) -> bytes:
    value &= _MASK
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _block(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | LENGTH) + _varint(len(data)) + data


def _value(field: Field, value: Any, table: Table) -> bytes:
    kind = field.kind
    if kind is Kind.STRING:
        return _block(field.number, value.encode())
    if kind is Kind.MESSAGE:
        return _block(field.number, encode(value, table))
    if kind is Kind.BYTES:
        return _block(field.number, value)
    if kind is Kind.DOUBLE:
        return _varint(field.number << 3 | FIXED64) + struct.pack("<d", value)
    return _varint(field.number << 3 | VARINT) + _varint(int(value))


def encode(message: Struct, table: Table) -> bytes:
    """The bytes of `message`."""
    out = []
    for field in table[type(message)]:
        value = getattr(message, field.attribute)
        if field.kind is Kind.STRING_MAP:
            for key, item in value.items():
                out.append(_block(field.number, _block(1, key.encode()) + _block(2, item.encode())))
        elif field.repeated:
            out += [_value(field, item, table) for item in value]
        elif value is not None and (value or field.kind is Kind.MESSAGE):
            out.append(_value(field, value, table))
    return b"".join(out)


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError("a number runs over the end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, at
        shift += 7


def parts(data: memoryview) -> list[tuple[int, int, Any]]:
    """(field number, wire type, int or memoryview) of everything in a message, in order. Raises WireError."""
    found: list[tuple[int, int, Any]] = []
    at, value = 0, 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        wire = tag & 7
        if wire == VARINT:
            value, at = _read_varint(data, at)
            found.append((tag >> 3, wire, value))
            continue
        if wire == LENGTH:
            size, at = _read_varint(data, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise WireError(f"wire type {wire}")
        if at + size > len(data):
            raise WireError("a field runs over the end")
        found.append((tag >> 3, wire, data[at : at + size]))
        at += size
    return found


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_SCALARS: dict[Kind, Callable[[Any], Any]] = {
    Kind.STRING: lambda raw: bytes(raw).decode("utf-8", "replace"),
    Kind.BYTES: bytes,
    Kind.BOOL: bool,
    Kind.INT: _signed,
    Kind.DOUBLE: lambda raw: struct.unpack("<d", raw)[0],
}


def _packed(kind: Kind, raw: memoryview) -> list[Any]:
    """The numbers of a packed repeated field."""
    if kind is Kind.DOUBLE:
        return [value for (value,) in struct.iter_unpack("<d", raw)]
    found, at = [], 0
    while at < len(raw):
        value, at = _read_varint(raw, at)
        found.append(_SCALARS[kind](value))
    return found


def _entry(raw: memoryview) -> tuple[str, str]:
    key = value = ""
    for number, _, part in parts(raw):
        if number == 1:
            key = bytes(part).decode()
        elif number == 2:
            value = bytes(part).decode("utf-8", "replace")
    return key, value


def decode(data: bytes | memoryview, kind: type[A], table: Table) -> A:
    """The message of type `kind` in `data`. Raises WireError."""
    fields = {f.number: f for f in table[kind]}
    values: dict[str, Any] = {}
    for number, wire, raw in parts(memoryview(data)):
        field = fields.get(number)
        if field is None:
            continue
        if field.kind is Kind.STRING_MAP:
            key, item = _entry(raw)
            values.setdefault(field.attribute, {})[key] = item
        elif field.repeated and wire == LENGTH and field.kind in (Kind.INT, Kind.BOOL, Kind.DOUBLE):
            values.setdefault(field.attribute, []).extend(_packed(field.kind, raw))
        else:
            value = decode(raw, field.message, table) if field.message else _SCALARS[field.kind](raw)
            if field.repeated:
                values.setdefault(field.attribute, []).append(value)
            else:
                values[field.attribute] = value
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
