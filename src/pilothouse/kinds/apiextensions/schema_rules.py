"""What a definition's schema may not have, whatever its structure: the rules of JSON schemas in the API. Pure.

Schemas are JSON trees; a path is that of the schema in the definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import convert

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.go_text import Fields
from pilothouse.api.types.apiextensions.v1 import JSONSchemaProps
from pilothouse.kinds.apiextensions.convertible import UNSUPPORTED
from pilothouse.kinds.apiextensions.rule_texts import rule_errors
from pilothouse.kinds.schema.structural import META_FIELDS
from pilothouse.kit.repeats import repeated

Raw = Mapping[str, Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
_IN_METADATA = "must not be set inside additionalProperties applying to object metadata"


class _Place(NamedTuple):
    """Where a schema stands. `no_defaults` says why it may have no default."""

    root: bool = False
    in_metadata: bool = False
    no_defaults: str = ""


def schema_errors(raw: Raw, path: str) -> FieldErrors:
    """All errors of a whole schema."""
    return list(_errors(raw, path, _Place(root=True)))


def _errors(raw: Raw, path: str, place: _Place) -> Iterator[Any]:
    yield from _standard(raw, path, place)
    if raw.get("uniqueItems"):
        told = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", told)
    inner = place._replace(root=False)
    additional = raw.get("additionalProperties")
    if additional is not None:
        if raw.get("properties") and additional is not True:
            told = "additionalProperties and properties are mutual exclusive"
            yield forbidden(f"{path}.additionalProperties", told)
        if isinstance(additional, Mapping):
            values = inner._replace(no_defaults=_IN_METADATA) if place.in_metadata else inner
            yield from _errors(additional, f"{path}.additionalProperties", values)
    for name, schema in raw.get("properties", {}).items():
        yield from _errors(schema, f"{path}.properties[{name}]", _of_property(raw, name, place))
    if (negated := raw.get("not")) is not None:
        yield from _errors(negated, f"{path}.not", inner)
    for key in ("allOf", "oneOf", "anyOf"):
        for at, schema in enumerate(raw.get(key, ())):
            yield from _errors(schema, f"{path}.{key}[{at}]", inner)
    for name, schema in raw.get("definitions", {}).items():
        yield from _errors(schema, f"{path}.definitions[{name}]", inner)
    items = raw.get("items")
    if isinstance(items, Mapping):
        yield from _errors(items, f"{path}.items", inner)
    for at, schema in enumerate(items if isinstance(items, list) else ()):
        yield from _errors(schema, f"{path}.items[{at}]", inner)
    for name, schema in raw.get("dependencies", {}).items():
        if isinstance(schema, Mapping):
            yield from _errors(schema, f"{path}.dependencies[{name}]", inner)
    yield from _extensions(raw, path)
    yield from rule_errors(raw, path)


def _of_property(raw: Raw, name: str, place: _Place) -> _Place:
    if name in META_FIELDS and (place.root or raw.get("x-kubernetes-embedded-resource")):
        why = f"must not be set in top-level {name}" if place.root else place.no_defaults
        return _Place(in_metadata=True, no_defaults=why)
    return place._replace(root=False)


def _standard(raw: Raw, path: str, place: _Place) -> Iterator[Any]:
    kind = raw.get("type", "")
    if kind and kind not in TYPES:
        yield not_supported(f"{path}.type", kind, TYPES)
    if raw.get("default") is not None and place.no_defaults:
        yield forbidden(f"{path}.default", place.no_defaults)
    if raw.get("id"):
        yield forbidden(f"{path}.id", "id is not supported")
    for key in UNSUPPORTED:
        if key in raw and (raw[key] or key not in ("patternProperties", "definitions")):
            yield forbidden(f"{path}.{key}", f"{key} is not supported")
    if kind == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if raw.get("items") and isinstance(raw["items"], list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_metadata and raw.get("x-kubernetes-embedded-resource"):
        yield forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")


def _extensions(raw: Raw, path: str) -> Iterator[Any]:
    if raw.get("x-kubernetes-preserve-unknown-fields") is False:
        yield invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    map_type, list_type = raw.get("x-kubernetes-map-type"), raw.get("x-kubernetes-list-type")
    if map_type is not None:
        yield from _typed(raw, path, "object", "x-kubernetes-map-type")
        if map_type not in ("atomic", "granular"):
            yield not_supported(f"{path}.x-kubernetes-map-type", map_type, ("atomic", "granular"))
    if list_type is not None:
        yield from _typed(raw, path, "array", "x-kubernetes-list-type")
        if list_type not in ("atomic", "set", "map"):
            yield not_supported(f"{path}.x-kubernetes-list-type", list_type, ("atomic", "set", "map"))
    yield from _list_rules(raw, path)


def _typed(raw: Raw, path: str, wanted: str, key: str) -> Iterator[Any]:
    kind, told = raw.get("type", ""), f"must be {wanted} if {key} is specified"
    if kind != wanted:
        yield invalid(f"{path}.type", kind, told) if kind else required(f"{path}.type", told)


def _list_rules(raw: Raw, path: str) -> Iterator[Any]:
    list_type, keys = raw.get("x-kubernetes-list-type"), raw.get("x-kubernetes-list-map-keys", ())
    said = raw.get("items")
    items = said if isinstance(said, Mapping) else None
    if list_type == "set" and raw.get("type") == "array" and items is not None:
        yield from _set_items(items, f"{path}.items")
    if keys and list_type != "map":
        told = "must be map if x-kubernetes-list-map-keys is non-empty"
        at = f"{path}.x-kubernetes-list-type"
        yield required(at, told) if list_type is None else invalid(at, list_type, told)
    if list_type == "map":
        if not keys:
            told = "must not be empty if x-kubernetes-list-type is map"
            yield required(f"{path}.x-kubernetes-list-map-keys", told)
        if said is None:
            yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        elif items is None:
            shown = Fields(Schema=None, JSONSchemas=[convert(schema, JSONSchemaProps) for schema in said])
            yield invalid(f"{path}.items", shown, "must only have a single schema if x-kubernetes-list-type is map")
        elif items.get("type") != "object":
            told = "must be object if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{path}.items.type", items.get("type", ""), told)
        else:
            yield from _map_keys(items, list(keys), path)
    if items is not None and list_type in ("set", "map"):
        yield from _keyed_items(items, str(list_type), keys, path)


def _set_items(items: Raw, path: str) -> Iterator[Any]:
    told = "must be atomic as item of a list with x-kubernetes-list-type=set"
    if items.get("type") == "array" and items.get("x-kubernetes-list-type") not in (None, "atomic"):
        yield invalid(f"{path}.x-kubernetes-list-type", items["x-kubernetes-list-type"], told)
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        # The bad value that upstream shows is that of the other field.
        yield invalid(f"{path}.x-kubernetes-map-type", items.get("x-kubernetes-list-type"), told)


def _map_keys(items: Raw, keys: list[str], path: str) -> Iterator[Any]:
    at = f"{path}.x-kubernetes-list-map-keys"
    properties = items.get("properties", {})
    for key, again in zip(keys, repeated(keys), strict=True):
        if key not in properties:
            yield invalid(at, keys, "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            told = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{path}.items.properties[{key}].type", items["type"], told)
        if again:
            yield invalid(at, keys, "must not contain duplicate entries")


def _keyed_items(items: Raw, list_type: str, keys: Any, path: str) -> Iterator[Any]:
    if items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {list_type}")
    wanted, properties = frozenset(items.get("required", ())), items.get("properties", {})
    for key in keys if list_type == "map" else ():
        if key not in properties:
            continue
        at = f"{path}.items.properties[{key}]"
        if key not in wanted and properties[key].get("default") is None:
            told = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield required(f"{at}.default", told)
        if properties[key].get("nullable"):
            told = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            yield forbidden(f"{at}.nullable", told)
