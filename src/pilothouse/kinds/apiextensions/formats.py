"""Formats that no validator knows: their writer is warned, as values are not checked against them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pilothouse.api import go_text
from pilothouse.api.codec.json import to_builtins
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.kinds.schema.formats import FORMATS

_KNOWN = frozenset(name.replace("-", "") for name in FORMATS)
_OF_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}
_ONE = ("not", "additionalProperties", "additionalItems")
_MANY = ("allOf", "anyOf", "oneOf")
_NAMED = ("properties", "patternProperties", "definitions", "dependencies")


def warnings(crd: CustomResourceDefinition) -> Sequence[str]:
    return [f"unrecognized format {go_text.quote(format)}" for format in _unknown(crd)]


def warnings_update(new: CustomResourceDefinition, old: CustomResourceDefinition) -> Sequence[str]:
    """Only of formats that were not there before."""
    before = frozenset(_unknown(old))
    return [f"unrecognized format {go_text.quote(format)}" for format in _unknown(new) if format not in before]


def _unknown(crd: CustomResourceDefinition) -> Iterator[str]:
    for version in crd.spec.versions or ():
        if version.schema is not None and version.schema.open_apiv_3_schema is not None:
            yield from _of_schema(to_builtins(version.schema.open_apiv_3_schema))


def _of_schema(raw: Mapping[str, Any]) -> Iterator[str]:
    format = raw.get("format", "")
    if format and not _known(format, raw.get("type", "")):
        yield format
    items = raw.get("items")
    for inner in items if isinstance(items, list) else (items,):
        if isinstance(inner, Mapping):
            yield from _of_schema(inner)
    for key in _MANY:
        for inner in raw.get(key, ()):
            yield from _of_schema(inner)
    for key in _ONE:
        if isinstance(raw.get(key), Mapping):
            yield from _of_schema(raw[key])
    for key in _NAMED:
        for inner in raw.get(key, {}).values():
            if isinstance(inner, Mapping):
                yield from _of_schema(inner)


def _known(format: str, kind: str) -> bool:
    if kind in ("", "string"):
        return format.replace("-", "") in _KNOWN
    return format in _OF_NUMBERS.get(kind, ())
