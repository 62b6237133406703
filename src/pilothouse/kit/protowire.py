"""Protobuf messages of gRPC services that are not the Kubernetes API (CRI, etcd), driven by tables. Pure.

proto3 rules: a zero scalar is not written, unknown fields are skipped, a repeated scalar is read packed or not.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import Struct

from pilothouse.kit.protobuf import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    block,
    read_length,
    read_varint,
    signed,
    skip,
    tag,
    varint,
)

Q = TypeVar("Q", bound=Struct)
A = TypeVar("A", bound=Struct)
Table = Mapping[type[Struct], "tuple[Field, ...]"]


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


def _value(field: Field, value: Any, table: Table) -> bytes:
    kind = field.kind
    if kind is Kind.STRING:
        return block(field.number, value.encode())
    if kind is Kind.MESSAGE:
        return block(field.number, encode(value, table))
    if kind is Kind.BYTES:
        return block(field.number, value)
    if kind is Kind.DOUBLE:
        return tag(field.number, FIXED64) + struct.pack("<d", value)
    return tag(field.number, VARINT) + varint(int(value))


def encode(message: Struct, table: Table) -> bytes:
    """The bytes of `message`."""
    out = []
    for field in table[type(message)]:
        value = getattr(message, field.attribute)
        if field.kind is Kind.STRING_MAP:
            for key, item in value.items():
                out.append(block(field.number, block(1, key.encode()) + block(2, item.encode())))
        elif field.repeated:
            out += [_value(field, item, table) for item in value]
        elif value is not None and (value or field.kind is Kind.MESSAGE):
            out.append(_value(field, value, table))
    return b"".join(out)


def parts(data: memoryview) -> list[tuple[int, int, Any]]:
    """(field number, wire type, int or memoryview) of everything in a message but groups, in order. Raises
    ProtobufError."""
    found: list[tuple[int, int, Any]] = []
    at, end = 0, len(data)
    while at < end:
        key, at = read_varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = read_varint(data, at, end)
            found.append((number, wire, value))
        elif wire == BYTES:
            start, at = read_length(data, at, end)
            found.append((number, wire, data[start:at]))
        else:
            start, at = at, skip(data, at, end, wire)
            if wire in (FIXED64, FIXED32):
                found.append((number, wire, data[start:at]))
    return found


_SCALARS: dict[Kind, Callable[[Any], Any]] = {
    Kind.STRING: lambda raw: bytes(raw).decode("utf-8", "replace"),
    Kind.BYTES: bytes,
    Kind.BOOL: bool,
    Kind.INT: lambda raw: signed(raw, 64),
    Kind.DOUBLE: lambda raw: struct.unpack("<d", raw)[0],
}


def _packed(kind: Kind, raw: memoryview) -> list[Any]:
    """The numbers of a packed repeated field."""
    if kind is Kind.DOUBLE:
        return [value for (value,) in struct.iter_unpack("<d", raw)]
    found, at = [], 0
    while at < len(raw):
        value, at = read_varint(raw, at, len(raw))
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
    """The message of type `kind` in `data`. Raises ProtobufError."""
    fields = {f.number: f for f in table[kind]}
    values: dict[str, Any] = {}
    for number, wire, raw in parts(memoryview(data)):
        field = fields.get(number)
        if field is None:
            continue
        if field.kind is Kind.STRING_MAP:
            key, item = _entry(raw)
            values.setdefault(field.attribute, {})[key] = item
        elif field.repeated and wire == BYTES and field.kind in (Kind.INT, Kind.BOOL, Kind.DOUBLE):
            values.setdefault(field.attribute, []).extend(_packed(field.kind, raw))
        else:
            value = decode(raw, field.message, table) if field.message else _SCALARS[field.kind](raw)
            if field.repeated:
                values.setdefault(field.attribute, []).append(value)
            else:
                values[field.attribute] = value
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})
