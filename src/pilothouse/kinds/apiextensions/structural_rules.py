"""What makes a schema structural: every field has one type, told outside of the junctors. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, required
from pilothouse.kinds.schema.regexps import go_error

Raw = Mapping[str, Any]
Level = Literal["root", "item", "field"]
_UNTYPED = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
# What a schema inside of a junctor must not have, and what it must be there.
_NESTED = (
    ("type", "empty"), ("additionalProperties", "undefined"), ("default", "undefined"), ("title", "empty"),
    ("description", "empty"), ("nullable", "false"), ("x-kubernetes-preserve-unknown-fields", "false"),
    ("x-kubernetes-embedded-resource", "false"), ("x-kubernetes-int-or-string", "false"),
    ("x-kubernetes-list-map-keys", "empty"), ("x-kubernetes-list-type", "undefined"),
    ("x-kubernetes-map-type", "undefined"), ("x-kubernetes-validations", "empty"),
)  # fmt: skip
_EVEN_EMPTY = frozenset(("default", "additionalProperties", "x-kubernetes-list-type", "x-kubernetes-map-type"))
_NO_PROPERTIES = (
    "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
)
_NAMES = frozenset(("name", "generateName"))
_BOTH = [{"type": "integer"}, {"type": "string"}]


def structural_errors(raw: Raw, path: str) -> FieldErrors:
    """All errors of a whole schema."""
    # Upstream follows the junctors of the root alone for what must be named outside of them.
    return [*_invariants(raw, "root", path), *_junctors_named(raw, raw, path, path)]


def _invariants(raw: Raw, level: Level, path: str) -> Iterator[Any]:
    kind, items, additional = raw.get("type", ""), raw.get("items"), raw.get("additionalProperties")
    embedded = raw.get("x-kubernetes-embedded-resource", False)
    if kind == "array" and not isinstance(items, Mapping):
        yield required(f"{path}.items", "must be specified")
    if isinstance(items, Mapping):
        yield from _invariants(items, "item", f"{path}.items")
    for name, schema in raw.get("properties", {}).items():
        yield from _invariants(schema, "field", f"{path}.properties[{name}]")
    if isinstance(additional, Mapping):
        yield from _invariants(additional, "field", f"{path}.additionalProperties")
    if additional is not None and level == "root":
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    yield from _extensions(raw, path)
    yield from _validation(raw, path, structural=True)
    if embedded and kind != "object":
        told = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid(f"{path}.type", kind, told) if kind else required(f"{path}.type", told)
    elif not kind and not _free(raw):
        yield required(f"{path}.type", _UNTYPED[level])
    if embedded and additional is not None:
        told = "must not be used if x-kubernetes-embedded-resource is set"
        yield forbidden(f"{path}.additionalProperties", told)
    if level == "root" and kind and kind != "object":
        yield invalid(f"{path}.type", kind, "must be object at the root")
    if level == "root" or embedded:
        yield from _metadata(raw.get("properties", {}), level, path)
    if embedded and not raw.get("x-kubernetes-preserve-unknown-fields") and not raw.get("properties"):
        yield required(f"{path}.properties", _NO_PROPERTIES)


def _free(raw: Raw) -> bool:
    return bool(raw.get("x-kubernetes-int-or-string") or raw.get("x-kubernetes-preserve-unknown-fields"))


def _extensions(raw: Raw, path: str) -> Iterator[Any]:
    if not raw.get("x-kubernetes-int-or-string"):
        return
    for key in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
        if raw.get(key):
            yield invalid(f"{path}.{key}", True, "must be false if x-kubernetes-int-or-string is true")


def _metadata(properties: Mapping[str, Raw], level: Level, path: str) -> Iterator[Any]:
    for name in ("kind", "apiVersion"):
        if name in properties and properties[name].get("type") != "string":
            at = f"{path}.properties[{name}].type"
            yield invalid(at, properties[name].get("type", ""), "must be string")
    metadata = properties.get("metadata")
    if metadata is None:
        return
    if metadata.get("type") != "object":
        yield invalid(f"{path}.properties[metadata].type", metadata.get("type", ""), "must be object")
    allowed = {"type", "default", *(("properties",) if set(metadata.get("properties", {})) <= _NAMES else ())}
    if level == "root" and not set(metadata) <= allowed:
        told = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(f"{path}.properties[metadata]", told)


def _validation(raw: Raw, path: str, structural: bool = False) -> Iterator[Any]:
    """The errors in junctors and patterns. A `structural` schema, unlike one in a junctor, may say that it takes
    integers and strings."""
    all_of, any_of = raw.get("allOf", ()), raw.get("anyOf", ())
    if not (structural and list(any_of) == _BOTH):
        for at, schema in enumerate(any_of):
            yield from _nested(schema, f"{path}.anyOf[{at}]")
    for at, schema in enumerate(all_of):
        excused = structural and at == 0 and list(schema.get("anyOf", ())) == _BOTH
        yield from _nested(schema, f"{path}.allOf[{at}]", excused)
    for at, schema in enumerate(raw.get("oneOf", ())):
        yield from _nested(schema, f"{path}.oneOf[{at}]")
    if (negated := raw.get("not")) is not None:
        yield from _nested(negated, f"{path}.not")
    pattern = raw.get("pattern", "")
    if pattern and (wrong := go_error(pattern)):
        yield invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {wrong}")


def _nested(raw: Raw, path: str, excused: bool = False) -> Iterator[Any]:
    inner = {key: value for key, value in raw.items() if not (excused and key == "anyOf")}
    yield from _validation(inner, path)
    if isinstance(raw.get("items"), Mapping):
        yield from _nested(raw["items"], f"{path}.items")
    for name, schema in raw.get("properties", {}).items():
        yield from _nested(schema, f"{path}.properties[{name}]")
    if raw.get("additionalProperties") is False:  # counts as not there
        raw = {key: value for key, value in raw.items() if key != "additionalProperties"}
    for key, wanted in _NESTED:
        if raw.get(key) or (key in _EVEN_EMPTY and raw.get(key) is not None):
            yield forbidden(f"{path}.{key}", f"must be {wanted} to be structural")
    if "metadata" in raw.get("properties", {}):
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _junctors_named(nested: Raw, raw: Raw, path: str, told: str) -> Iterator[Any]:
    for key in ("allOf", "anyOf", "oneOf"):
        for at, schema in enumerate(nested.get(key, ())):
            yield from _named(schema, raw, path, f"{told}.{key}[{at}]")
    if (negated := nested.get("not")) is not None:
        yield from _named(negated, raw, path, f"{told}.not")


def _named(nested: Raw, raw: Any, path: str, told: str) -> Iterator[Any]:
    if not isinstance(raw, Mapping):
        yield required(path, f"because it is defined in {told}")
        return
    yield from _junctors_named(nested, raw, path, told)
    if isinstance(nested.get("items"), Mapping):
        yield from _named(nested["items"], raw.get("items"), f"{path}.items", f"{told}.items")
    known = raw.get("properties", {})
    for name, schema in nested.get("properties", {}).items():
        yield from _named(schema, known.get(name), f"{path}.properties[{name}]", f"{told}.properties[{name}]")
