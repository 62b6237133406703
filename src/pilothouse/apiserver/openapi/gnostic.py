"""The OpenAPI v2 document in protobuf, as gnostic defines it (openapi.v2.Document), which old clients ask for.

A message is described by a table: JSON key to field number and to how its value is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.kit.protobuf import VARINT, block, tag, varint

Writer = Callable[[Any], bytes]


def _text(number: int) -> Writer:
    return lambda value: block(number, str(value).encode())


def _texts(number: int) -> Writer:
    return lambda values: b"".join(block(number, str(value).encode()) for value in values)


def _flag(number: int) -> Writer:
    return lambda value: tag(number, VARINT) + b"\x01" if value else b""


def _any(number: int) -> Writer:
    """gnostic.Any, whose second field is the value as YAML (JSON is YAML)."""
    return lambda value: block(number, _any_message(value))


def _any_message(value: Any) -> bytes:
    return block(2, json.dumps(value).encode())


def _anys(number: int) -> Writer:
    return lambda values: b"".join(block(number, _any_message(value)) for value in values)


def _message(number: int, write: Callable[[Any], bytes]) -> Writer:
    return lambda value: block(number, write(value))


def _named(number: int, write: Callable[[Any], bytes]) -> Writer:
    """A map as repeated pairs of name (1) and value (2)."""
    return lambda mapping: b"".join(
        block(number, block(1, name.encode()) + block(2, write(value))) for name, value in mapping.items()
    )


def _table(value: Mapping[str, Any], table: Mapping[str, Writer], extension: int) -> bytes:
    """A message: known keys by the table, `x-` keys as vendor extensions."""
    out = []
    for key, item in value.items():
        if key in table:
            out.append(table[key](item))
        elif key.startswith("x-"):
            out.append(block(extension, block(1, key.encode()) + block(2, _any_message(item))))
    return b"".join(out)


def schema(value: Mapping[str, Any]) -> bytes:
    return _table(value, _SCHEMA, 31)


def _additional(value: Any) -> bytes:
    return varint(2 << 3) + bytes([value]) if isinstance(value, bool) else block(1, schema(value))


_SCHEMA: dict[str, Writer] = {
    "$ref": _text(1),
    "format": _text(2),
    "title": _text(3),
    "description": _text(4),
    "default": _any(5),
    "required": _texts(19),
    "enum": _anys(20),
    "additionalProperties": _message(21, _additional),
    "type": _message(22, lambda value: block(1, value.encode())),
    "items": _message(23, lambda value: block(1, schema(value))),
    "properties": _message(25, _named(1, schema)),
}
_SIMPLE: dict[str, Writer] = {"required": _flag(1), "in": _text(2), "description": _text(3), "name": _text(4)}
_QUERY = {**_SIMPLE, "type": _text(6), "format": _text(7), "uniqueItems": _flag(20)}
_PATH = {**_SIMPLE, "type": _text(5), "format": _text(6), "uniqueItems": _flag(19)}
_BODY: dict[str, Writer] = {
    "description": _text(1),
    "name": _text(2),
    "in": _text(3),
    "required": _flag(4),
    "schema": _message(5, schema),
}


def _parameter(value: Mapping[str, Any]) -> bytes:
    """ParametersItem holding a Parameter: a body one, or another one by its place."""
    if value["in"] == "body":
        return block(1, block(1, _table(value, _BODY, 6)))
    if value["in"] == "path":
        return block(1, block(2, block(4, _table(value, _PATH, 22))))
    return block(1, block(2, block(3, _table(value, _QUERY, 23))))


def _response(value: Mapping[str, Any]) -> bytes:
    table: dict[str, Writer] = {"description": _text(1), "schema": _message(2, lambda s: block(1, schema(s)))}
    return block(1, _table(value, table, 5))


def _parameters(number: int) -> Writer:
    return lambda values: b"".join(block(number, _parameter(value)) for value in values)


_OPERATION: dict[str, Writer] = {
    "tags": _texts(1),
    "description": _text(3),
    "operationId": _text(5),
    "produces": _texts(6),
    "consumes": _texts(7),
    "parameters": _parameters(8),
    "responses": _message(9, _named(1, _response)),
    "schemes": _texts(10),
}


def _operation(value: Mapping[str, Any]) -> bytes:
    return _table(value, _OPERATION, 13)


_ITEM: dict[str, Writer] = {
    **{
        name: _message(number, _operation)
        for name, number in {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}.items()
    },
    "parameters": _parameters(9),
}


def _item(value: Mapping[str, Any]) -> bytes:
    return _table(value, _ITEM, 10)


_DOCUMENT: dict[str, Writer] = {
    "swagger": _text(1),
    "info": _message(2, lambda value: _table(value, {"title": _text(1), "version": _text(2)}, 7)),
    "paths": _message(8, _named(2, _item)),
    "definitions": _message(9, _named(1, schema)),
}


def encode(document: Mapping[str, Any]) -> bytes:
    """The bytes of a v2 document."""
    return _table(document, _DOCUMENT, 16)
