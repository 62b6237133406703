"""The three unions of CustomResourceDefinition schemas: JSON values here, messages of their own on the wire. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pilothouse.api.codec import json
from pilothouse.api.codec.protobuf.scalars import delimited, parts, text_of
from pilothouse.kit.protobuf import BYTES, VARINT, read_length, read_varint, skip, tag

_SCHEMA1, _SCHEMA2, _REPEATED2, _BOOL1 = tag(1, BYTES), tag(2, BYTES), tag(2, BYTES), tag(1, VARINT)


class Union(NamedTuple):
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, int, int], Any]


def _schema(value: Any) -> bytes:
    from pilothouse.api.codec.protobuf.messages import message_of
    from pilothouse.api.types.apiextensions.v1 import JSONSchemaProps

    return message_of(JSONSchemaProps).encode(json.from_builtins(value, JSONSchemaProps))


def _read_schema(data: bytes, at: int, end: int) -> Any:
    from pilothouse.api.codec.protobuf.messages import message_of
    from pilothouse.api.types.apiextensions.v1 import JSONSchemaProps

    return json.decode_any(json.encode(message_of(JSONSchemaProps).decode(data, at, end)))


def _repeated(data: bytes, at: int, end: int) -> list[tuple[int, int]]:
    """The spans of field 2."""
    found = []
    while at < end:
        key, at = read_varint(data, at, end)
        if key == 2 << 3 | BYTES:
            span = read_length(data, at, end)
            found.append(span)
            at = span[1]
        else:
            at = skip(data, at, end, key & 7)
    return found


def _array_body(value: Any) -> bytes:
    if isinstance(value, dict):
        return _SCHEMA1 + delimited(_schema(value))
    return b"".join(_REPEATED2 + delimited(_schema(item)) for item in value or ())


def _read_array(data: bytes, at: int, end: int) -> Any:
    span = parts(data, at, end).get(1)
    if isinstance(span, tuple):
        return _read_schema(data, *span)
    return [_read_schema(data, *item) for item in _repeated(data, at, end)] or None


def _bool_body(value: Any) -> bytes:
    if isinstance(value, dict):
        return _BOOL1 + b"\1" + _SCHEMA2 + delimited(_schema(value))
    return _BOOL1 + (b"\1" if value else b"\0")


def _read_bool(data: bytes, at: int, end: int) -> Any:
    found = parts(data, at, end)
    return _read_schema(data, *found[2]) if isinstance(found.get(2), tuple) else bool(found.get(1))


def _strings_body(value: Any) -> bytes:
    if isinstance(value, dict):
        return _SCHEMA1 + delimited(_schema(value))
    return b"".join(_REPEATED2 + delimited(item.encode()) for item in value or ())


def _read_strings(data: bytes, at: int, end: int) -> Any:
    span = parts(data, at, end).get(1)
    if isinstance(span, tuple):
        return _read_schema(data, *span)
    return [text_of(data, *item) for item in _repeated(data, at, end)] or None


_UNIONS = {
    "JSONSchemaPropsOrArray": Union(_array_body, _read_array),
    "JSONSchemaPropsOrBool": Union(_bool_body, _read_bool),
    "JSONSchemaPropsOrStringArray": Union(_strings_body, _read_strings),
}


def of(go: str) -> Union | None:
    """The codec of a Go type, if it is one of the unions."""
    return _UNIONS.get(go.rpartition(".")[2])
