"""What kinds say of objects given as their JSON, for table tests."""

from __future__ import annotations

from typing import Any

from pilothouse.api.codec.json import from_builtins
from pilothouse.kinds.strategy import Status, Strategy

Body = dict[str, Any]


def made(strategy: Strategy[Any], body: Body) -> Any:
    """The object with its defaults."""
    return strategy.defaults(from_builtins(body, strategy.type))


def refused(strategy: Strategy[Any], body: Body) -> list[str]:
    """The errors of a create, `path: message`."""
    return [f"{e.path}: {e.message}" for e in strategy.validate(made(strategy, body))]


def refused_change(strategy: Strategy[Any], new: Body, old: Body, rules: Status[Any] | None = None) -> list[str]:
    """The errors of an update of the object, or through the subresource with `rules`."""
    after, before = made(strategy, new), made(strategy, old)
    check = rules.validate if rules is not None else strategy.validate_update
    found = check(after, before) if check is not None else strategy.validate(after)
    return [f"{e.path}: {e.message}" for e in found]


def merged(body: Body, patch: Body) -> Body:
    """`body` with a merge patch."""
    found = dict(body)
    for key, value in patch.items():
        held = found.get(key)
        found[key] = merged(held, value) if isinstance(value, dict) and isinstance(held, dict) else value
    return {key: value for key, value in found.items() if value is not None}
