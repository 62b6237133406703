"""Unknown fields are dropped, and so is null where it stands for nothing. Pure: what has nothing to drop is shared."""

from __future__ import annotations

from typing import Any

from pilothouse.kinds.schema.structural import META_FIELDS, Schema

Unknown = list[str]


def pruned(schema: Schema, value: Any, resource: bool) -> Any:
    """Any value as its schema knows it; `resource`: it is a whole object."""
    lost: Unknown = []
    return _object(schema, value, resource, lost) if isinstance(value, dict) else _value(schema, value, lost)


def prune(schema: Schema, body: dict[str, Any], unknown: Unknown | None = None) -> dict[str, Any]:
    """The members of an object (without kind, apiVersion and metadata) that its schema knows. The paths of the others
    are added to `unknown`."""
    lost: Unknown = []
    found: dict[str, Any] = _object(schema, body, True, lost)
    if unknown is not None:
        unknown += sorted(lost)
    return found


def _value(schema: Schema | None, value: Any, lost: Unknown) -> Any:
    if isinstance(value, dict):
        return _object(schema, value, schema is not None and schema.embedded, lost)
    if isinstance(value, list):
        return _list(schema.items if schema is not None else None, schema, value, lost)
    return value


def _list(items: Schema | None, schema: Schema | None, value: list[Any], lost: Unknown) -> list[Any]:
    if items is None and schema is not None and schema.preserve:
        return value
    changed: list[Any] | None = None
    for at, item in enumerate(value):
        if not isinstance(item, dict | list):
            continue
        below: Unknown = []
        kept = _value(items, item, below)
        if below:
            lost += [f"[{at}]{joined('', path)}" for path in below]
        if kept is not item:
            if changed is None:
                changed = list(value)
            changed[at] = kept
    return value if changed is None else changed


def _object(schema: Schema | None, value: dict[str, Any], resource: bool, lost: Unknown) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    dropped: list[str] = []
    for key, member in value.items():
        known, inner = _member(schema, key, resource)
        if not known:
            dropped.append(key)
            lost.append(key)
        elif member is None:
            if inner is not None and inner.drops_null():
                dropped.append(key)
        elif inner is not _KEPT and isinstance(member, dict | list):
            below: Unknown = []
            kept = _value(inner, member, below)
            if below:
                lost += [joined(key, path) for path in below]
            if kept is not member:
                changes[key] = kept
    if not changes and not dropped:
        return value
    found = {**value, **changes}
    for key in dropped:
        del found[key]
    return found


_KEPT = Schema(raw={}, preserve=True, nullable=True)


def _member(schema: Schema | None, key: str, resource: bool) -> tuple[bool, Schema | None]:
    """Whether a member is known, and its schema."""
    if schema is None:
        return False, None
    found = schema.properties.get(key)
    if resource and key in META_FIELDS:
        return True, _KEPT
    if found is not None:
        return True, found
    if schema.additional is not None:
        return True, schema.additional
    if schema.preserve:
        return True, _KEPT
    return schema.open, None


def joined(key: str, path: str) -> str:
    return key + path if path.startswith("[") else f"{key}.{path}"
