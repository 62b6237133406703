"""Empty lists and maps of an object: what a client sent is told from what is not there, until it is stored. Pure.

An object that comes back from a store that speaks protobuf knows no empty list, only none: where Go omits an empty
field nothing is seen of it; the few fields that it never omits are then `null`. Validation before that knows both.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api.go_text import EMPTY_BYTES, EMPTY_LIST, EMPTY_MAP

_JSON_STORED = "pilothouse.api.types.apiextensions.v1"
_FIELDS: dict[type[Struct], tuple[tuple[str, bool], ...]] = {}


def without_empty(obj: Any) -> Any:
    """`obj` with None in place of empty lists that are never omitted; itself if there are none."""
    return obj if type(obj).__module__ == _JSON_STORED else _walk(obj)


def with_empty(obj: Any, sent: Any) -> Any:
    """`obj`, decoded from the JSON tree `sent` and defaulted, with a mark (`go_text.EMPTY_LIST` and the like) in place
    of each list, map and bytes that the tree has but empty. For validation alone: nobody can write such an object."""
    if isinstance(obj, Struct) and isinstance(sent, Mapping):
        changes = {}
        for name, sent_name in _names(type(obj)):
            if sent_name in sent:
                value = getattr(obj, name)
                marked = with_empty(value, sent[sent_name])
                if marked is not value:
                    changes[name] = marked
        return replace(obj, **changes) if changes else obj
    if isinstance(obj, tuple) and isinstance(sent, list):
        if not obj:
            return obj if sent else EMPTY_LIST
        marked_items = tuple(map(with_empty, obj, sent)) if len(obj) == len(sent) else obj
        return obj if all(map(operator.is_, marked_items, obj)) else marked_items
    if isinstance(obj, Mapping) and isinstance(sent, Mapping):
        if not obj:
            return obj if sent else EMPTY_MAP
        members = {key: with_empty(value, sent.get(key)) for key, value in obj.items()}
        return obj if all(map(operator.is_, members.values(), obj.values())) else members
    return EMPTY_BYTES if obj == b"" and sent == "" else obj


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


@cache
def _names(kind: type[Struct]) -> tuple[tuple[str, str], ...]:
    """Names of fields, as attributes and in JSON."""
    return tuple((field.name, field.encode_name) for field in msgspec.structs.fields(kind))


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
