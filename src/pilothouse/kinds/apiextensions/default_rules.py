"""A default must be what its own schema lets pass. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilothouse.api.field_errors import FieldError, FieldErrors, invalid
from pilothouse.kinds.schema import checking, embedded
from pilothouse.kinds.schema.pruning import pruned
from pilothouse.kinds.schema.structural import META_FIELDS, MISSING, Schema, parse


def default_errors(raw: Any, path: str) -> FieldErrors:
    """The errors of all defaults in a structural schema."""
    return list(_errors(parse(raw), path, root=True))


def _errors(schema: Schema, path: str, root: bool = False) -> Iterator[FieldError]:
    if schema.default is not MISSING:
        yield from _of_default(schema, f"{path}.default", root)
    if schema.items is not None:
        yield from _errors(schema.items, f"{path}.items")
    if schema.additional is not None:
        yield from _errors(schema.additional, f"{path}.additionalProperties")
    for name, inner in schema.properties.items():
        if not (root and name in META_FIELDS):
            yield from _errors(inner, f"{path}.properties[{name}]")


def _of_default(schema: Schema, path: str, root: bool) -> Iterator[FieldError]:
    value = schema.default
    if pruned(schema, value, resource=root or schema.embedded) != value:
        yield invalid(path, value, "must not have unknown fields")
    whole = Schema(raw={}, properties={"default": schema})
    prefix = path.removesuffix("default")
    if (check_embedded := embedded.validator(whole)) is not None:
        wrong = check_embedded({"default": value})
        if wrong:
            yield from (error._replace(path=prefix + error.path) for error in wrong)
            return
    raw = {**schema.raw, "x-kubernetes-embedded-resource": True} if root else schema.raw
    check = checking.compiled(_typed(raw))
    if check is not None:
        yield from (fault.error(path) for fault in check(value))


def _typed(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema whose ints-or-strings have no type but the one they say: so upstream checks defaults."""
    found = {key: value for key, value in raw.items() if key != "x-kubernetes-int-or-string"}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), Mapping):
            found[key] = _typed(found[key])
    if "properties" in found:
        found["properties"] = {name: _typed(inner) for name, inner in found["properties"].items()}
    return found
