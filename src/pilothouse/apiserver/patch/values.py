"""JSON values as Go sees them: how `%v` prints them, what equals what, what type they have. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec


def go_text(value: Any) -> str:
    """The value as `%v` prints it: `map[a:1 b:[x <nil>]]`, keys sorted."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(go_text, value)) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _float_text(value) if isinstance(value, float) else str(value)


def _float_text(value: float) -> str:
    if abs(value) < 1e21 and value == int(value):
        return str(int(value))
    return repr(value)


def go_type(value: Any) -> str:
    """The Go type of a decoded JSON value."""
    for python, name in (
        (bool, "bool"),
        (int, "int64"),
        (float, "float64"),
        (str, "string"),
        (dict, "map[string]interface {}"),
        (list, "[]interface {}"),
    ):
        if isinstance(value, python):
            return name
    return "<nil>"


def same(left: Any, right: Any) -> bool:
    """Equality of JSON: 1 is neither 1.0 nor true."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def identity(value: Any) -> Hashable:
    """What two values have in common if they are the same, and only then."""
    if isinstance(value, dict | list):
        return msgspec.json.encode(value, order="sorted")
    return type(value), value


def copied(value: Any) -> Any:
    """A copy that shares nothing that can change."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value
