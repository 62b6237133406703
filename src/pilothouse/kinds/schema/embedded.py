"""Whole objects inside of a custom resource: their metadata is read as that of any object, and checked. Compiled for
those parts of a schema that have such objects. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pilothouse.api.codec import walk
from pilothouse.api.field_errors import FieldErrors, all_invalid, invalid
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kinds.schema.structural import Schema
from pilothouse.semantics.validation import meta as meta_rules
from pilothouse.semantics.validation.names import dns1035_label, path_segment

Visit = Callable[[dict[str, Any], str, list[str]], dict[str, Any]]
"""From an embedded object, its path, and where unknown fields are told, to the object as it is kept."""


class MalformedObject(ValueError):
    """An embedded object that cannot be one; the message tells where and why."""


def coercer(schema: Schema) -> Callable[[Any, str, list[str]], Any] | None:
    """Makes the metadata of all embedded objects canonical. None if there can be none. Raises MalformedObject."""
    return _walker(schema, _coerced)


def validator(schema: Schema) -> Callable[[Any], FieldErrors] | None:
    """The errors of all embedded objects; None if there can be none."""
    found: FieldErrors = []

    def visit(obj: dict[str, Any], path: str, unknown: list[str]) -> dict[str, Any]:
        found.extend(_errors(obj, path))
        return obj

    walk_all = _walker(schema, visit)
    if walk_all is None:
        return None

    def errors(value: Any) -> FieldErrors:
        found.clear()
        walk_all(value, "", [])
        return list(found)

    return errors


def _walker(schema: Schema, visit: Visit) -> Callable[[Any, str, list[str]], Any] | None:
    members = {name: made for name, inner in schema.properties.items() if (made := _part(inner, visit)) is not None}
    others = _part(schema.additional, visit) if schema.additional is not None else None
    items = _part(schema.items, visit) if schema.items is not None else None
    if not members and others is None and items is None:
        return None

    def walked(value: Any, path: str, unknown: list[str]) -> Any:
        if isinstance(value, list) and items is not None:
            return [items(item, f"{path}[{at}]", unknown) for at, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        changes: dict[str, Any] = {}
        for name, member in value.items():
            part = members.get(name, others)
            if part is not None:
                changes[name] = part(member, f"{path}.{name}" if path else name, unknown)
        return {**value, **changes} if changes else value

    return walked


def _part(schema: Schema, visit: Visit) -> Callable[[Any, str, list[str]], Any] | None:
    below = _walker(schema, visit)
    if not schema.embedded:
        return below

    def object(value: Any, path: str, unknown: list[str]) -> Any:
        if isinstance(value, dict):
            value = visit(value, path, unknown)
        return below(value, path, unknown) if below is not None else value

    return object


def _coerced(obj: dict[str, Any], path: str, unknown: list[str]) -> dict[str, Any]:
    for name in ("apiVersion", "kind"):
        if name in obj and not isinstance(obj[name], str):
            error = invalid(f"{path}.{name}", obj[name], "must be a string")
            raise MalformedObject(f"{error.path}: {error.message}")
    if "metadata" not in obj:
        return obj
    try:
        metadata, problems = walk.decode(obj["metadata"], ObjectMeta)
    except walk.DecodeError as error:
        wrong = invalid(f"{path}.metadata", obj["metadata"], str(error))
        raise MalformedObject(f"{wrong.path}: {wrong.message}") from None
    unknown += [problem.replace('field "', f'field "{path}.metadata.', 1) for problem in problems]
    return {**obj, "metadata": metadata}


def _errors(obj: dict[str, Any], path: str) -> Sequence[Any]:
    found: FieldErrors = []
    version, kind = obj.get("apiVersion"), obj.get("kind")
    if isinstance(version, str):
        if not version:
            found.append(invalid(f"{path}.apiVersion", version, "must not be empty"))
        elif version.count("/") > 1:
            found.append(invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    if isinstance(kind, str):
        if not kind:
            found.append(invalid(f"{path}.kind", kind, "must not be empty"))
        elif faults := dns1035_label(kind.lower()):
            told = "may have mixed case, but should otherwise match: " + ",".join(faults)
            found += all_invalid(f"{path}.kind", kind, [told])
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        meta = msgspec.convert(metadata, ObjectMeta)
        meta = meta if meta.name else msgspec.structs.replace(meta, name="fakename")
        found += meta_rules.validate(meta, bool(meta.namespace), path_segment, f"{path}.metadata")
    return found
