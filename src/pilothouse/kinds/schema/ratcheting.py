"""What was wrong before an update and was not touched by it is let stay. Pure."""

from __future__ import annotations

from typing import Any

from pilothouse.kinds.schema.structural import Schema


def unchanged(schema: Schema | None, new: Any, old: Any, path: tuple[str | int, ...]) -> bool:
    """Whether the value at a path of `new` is the one of `old`. Items of lists have no old one, unless the list is a
    map and has an item with the same keys."""
    for key in path:
        if new == old:
            return True
        if isinstance(key, int):
            old = _old_item(schema, new[key], old)
            new, schema = new[key], schema.items if schema is not None else None
        else:
            if not isinstance(old, dict) or key not in old or key not in new:
                return False
            new, old = new[key], old[key]
            schema = (schema.properties.get(key) or schema.additional) if schema is not None else None
        if old is None:
            return False
    return bool(new == old)


def _old_item(schema: Schema | None, item: Any, old: Any) -> Any:
    if schema is None or schema.list_type != "map" or not isinstance(old, list) or not isinstance(item, dict):
        return None
    wanted = [item.get(key) for key in schema.map_keys]
    for found in old:
        if isinstance(found, dict) and [found.get(key) for key in schema.map_keys] == wanted:
            return found
    return None
