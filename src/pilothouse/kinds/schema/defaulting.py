"""Defaults of a schema: what is absent, and null where null counts as absent. Pure.

A schema is compiled to functions for those of its parts that have a default somewhere below; the others cost nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from pilothouse.kinds.schema.structural import MISSING, Schema

Defaulter = Callable[[Any], Any]


def same(value: Any) -> Any:
    return value


def compiled(schema: Schema) -> Defaulter:
    """From a value to the value with its defaults; the same one if it lacks none."""
    return _compile(schema) or same


def _compile(schema: Schema) -> Defaulter | None:
    own = {name: inner for name, inner in schema.properties.items() if inner.default is not MISSING}
    below = {name: made for name, inner in schema.properties.items() if (made := _compile(inner)) is not None}
    others = _element(schema.additional)
    items = _element(schema.items)
    if not own and not below and others is None and items is None:
        return None
    if items is not None:
        return lambda value: _list(value, items)
    return lambda value: _object(value, own, below, others, schema)


def _element(schema: Schema | None) -> Defaulter | None:
    """The defaults of an item of a list, or a value of a map."""
    if schema is None:
        return None
    below = _compile(schema)
    if schema.default is MISSING or not schema.drops_null():
        return below

    def filled(value: Any) -> Any:
        found = copy.deepcopy(schema.default) if value is None else value
        return below(found) if below is not None else found

    return filled


def _list(value: Any, items: Defaulter) -> Any:
    if not isinstance(value, list):
        return value
    found = [items(item) for item in value]
    return value if all(a is b for a, b in zip(found, value, strict=True)) else found


def _object(
    value: Any, own: dict[str, Schema], below: dict[str, Defaulter], others: Defaulter | None, schema: Schema
) -> Any:
    if not isinstance(value, dict):
        return value
    changes: dict[str, Any] = {}
    for name, inner in own.items():
        if name not in value or (value[name] is None and inner.drops_null()):
            changes[name] = copy.deepcopy(inner.default)
    for name, fill in below.items():
        held = changes.get(name, value.get(name, MISSING))
        if held is not MISSING and (filled := fill(held)) is not held:
            changes[name] = filled
    if others is not None:
        for name, held in value.items():
            if name not in schema.properties and (filled := others(held)) is not held:
                changes[name] = filled
    return {**value, **changes} if changes else value
