"""Empty lists of an object as it comes back from a store that speaks protobuf: there is no empty list, only none. Pure.

Where Go omits an empty field nothing is seen of it; the few fields that it never omits are then `null`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

_JSON_STORED = "pilothouse.api.types.apiextensions.v1"
_FIELDS: dict[type[Struct], tuple[tuple[str, bool], ...]] = {}


def without_empty(obj: Any) -> Any:
    """`obj` with None in place of empty lists that are never omitted; itself if there are none."""
    return obj if type(obj).__module__ == _JSON_STORED else _walk(obj)


def _walk(value: Any) -> Any:
    if isinstance(value, Struct):
        changes = {}
        for name, nullable in _fields(type(value)):
            held = getattr(value, name)
            found = None if nullable and held == () else _walk(held)
            if found is not held:
                changes[name] = found
        return replace(value, **changes) if changes else value
    if isinstance(value, tuple):
        walked = tuple(map(_walk, value))
        return value if all(a is b for a, b in zip(walked, value, strict=True)) else walked
    if isinstance(value, Mapping) and value and isinstance(next(iter(value.values())), Struct):
        return {k: _walk(v) for k, v in value.items()}
    return value


def _fields(kind: type[Struct]) -> tuple[tuple[str, bool], ...]:
    """Names of fields, and whether an unset list is written as null."""
    found = _FIELDS.get(kind)
    if found is None:
        listed = []
        for field in msgspec.structs.fields(kind):
            made = field.default_factory
            listed.append((field.name, callable(made) and made() is None))
        found = _FIELDS[kind] = tuple(listed)
    return found
