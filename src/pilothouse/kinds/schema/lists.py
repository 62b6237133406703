"""Lists that are sets or maps hold no item twice. Compiled for those parts of a schema that have such lists. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pilothouse.api.field_errors import FieldError, FieldErrors, duplicate
from pilothouse.kinds.schema.structural import Schema

Found = Callable[[Any, str], FieldErrors]
_encode = msgspec.json.Encoder(order="sorted").encode


def compiled(schema: Schema) -> Found | None:
    """From a value and its path to its duplicates; None where there can be none."""
    items = compiled(schema.items) if schema.items is not None else None
    members = {name: made for name, inner in schema.properties.items() if (made := compiled(inner)) is not None}
    others = compiled(schema.additional) if schema.additional is not None else None
    own = _own(schema)
    if items is None and own is None and others is None and not members:
        return None

    def found(value: Any, path: str) -> FieldErrors:
        if isinstance(value, dict):
            return _of_members(value, path, members, others)
        if not isinstance(value, list):
            return []
        wrong = own(value, path) if own is not None else []
        if items is not None:
            wrong = [*wrong, *(error for at, item in enumerate(value) for error in items(item, f"{path}[{at}]"))]
        return wrong

    return found


def _of_members(value: dict[str, Any], path: str, members: dict[str, Found], others: Found | None) -> FieldErrors:
    wrong: FieldErrors = []
    for name, member in value.items():
        if (known := members.get(name)) is not None:
            wrong += known(member, f"{path}.{name}" if path else name)
        elif others is not None:
            wrong += others(member, f"{path}[{name}]")
    return wrong


def _own(schema: Schema) -> Found | None:
    if schema.list_type == "set":
        return lambda value, path: _repeated(value, path, lambda item: item)
    if schema.list_type == "map":
        keys = schema.map_keys

        def key_of(item: Any) -> Any:
            return {key: item[key] for key in keys if key in item} if isinstance(item, dict) else item

        return lambda value, path: _repeated(value, path, key_of)
    return None


def _repeated(value: list[Any], path: str, key_of: Callable[[Any], Any]) -> FieldErrors:
    """Each key that comes again, told once, at its second place."""
    seen: dict[bytes, int] = {}
    wrong: list[FieldError] = []
    for at, item in enumerate(value):
        key = key_of(item)
        mark = _encode(key)
        count = seen[mark] = seen.get(mark, 0) + 1
        if count == 2:
            wrong.append(duplicate(f"{path}[{at}]", key))
    return wrong
