"""The simple paths of a definition (`.spec.replicas`): reading and writing what they name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def split(path: str) -> tuple[str, ...]:
    """The names in a simple path."""
    return tuple(path.removeprefix(".").split("."))


def read(tree: Any, names: tuple[str, ...]) -> Any:
    """What lies at a path; None where there is nothing."""
    for name in names:
        if not isinstance(tree, Mapping) or name not in tree:
            return None
        tree = tree[name]
    return tree


def written(tree: Any, names: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of `tree` with `value` at a path; None takes away what is there."""
    found = dict(tree) if isinstance(tree, Mapping) else {}
    if len(names) > 1:
        found[names[0]] = written(found.get(names[0]), names[1:], value)
    elif value is None:
        found.pop(names[0], None)
    else:
        found[names[0]] = value
    return found
