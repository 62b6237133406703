"""How large the programs of all patterns in a definition may be together. Pure.

RE2 takes 0.3 microseconds for an instruction, and a few hundred bytes of patterns may make millions: whoever may write
definitions could hold up everybody for seconds. Upstream has no such limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.types.apiextensions.v1 import JSONSchemaProps
from pilothouse.kinds.schema import regexps

MOST_INSTRUCTIONS = 1_000_000
"""Of all patterns, as often as they stand there; an ordinary one has fewer than a hundred."""
_BY_NAME = ("properties", "patternProperties", "definitions", "dependencies")
_NESTED = ("items", "additionalItems", "additionalProperties", "not", "allOf", "anyOf", "oneOf")


def pattern_errors(schemas: Iterable[tuple[str, JSONSchemaProps]]) -> FieldErrors:
    """The error of the first pattern by which a definition has more than it may; no pattern after it is looked at.
    `schemas`: of its versions, each with its path in the definition."""
    left = MOST_INSTRUCTIONS
    for top, schema in schemas:
        for path, pattern in _patterns(to_builtins(schema), top):
            left -= regexps.size(pattern)
            if left < 0:
                told = f"must be a valid regular expression, but isn't: {regexps.too_large(pattern)}"
                return [invalid(f"{path}.pattern", pattern, told)]
    return []


def _patterns(raw: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Every pattern in a schema, with the path of the schema it stands in."""
    waiting: list[tuple[Any, str]] = [(raw, path)]
    while waiting:
        schema, path = waiting.pop()
        if not isinstance(schema, Mapping):
            continue
        if isinstance(pattern := schema.get("pattern"), str) and pattern:
            yield path, pattern
        for key in _BY_NAME:
            if isinstance(members := schema.get(key), Mapping):
                waiting += [(member, f"{path}.{key}[{name}]") for name, member in members.items()]
        for key in _NESTED:
            nested = schema.get(key)
            if isinstance(nested, list | tuple):
                waiting += [(member, f"{path}.{key}[{at}]") for at, member in enumerate(nested)]
            elif nested is not None:
                waiting.append((nested, f"{path}.{key}"))
