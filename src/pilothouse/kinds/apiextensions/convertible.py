"""Whether a schema can be made a structural one, as upstream's NewStructural has it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Raw = Mapping[str, Any]
UNSUPPORTED = ("additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


def convertible(raw: Raw) -> bool:
    """Whether a schema has nothing that a structural one cannot express: only then its structure is looked at."""
    if raw.get("id") or raw.get("x-kubernetes-preserve-unknown-fields") is False or "additionalItems" in raw:
        return False
    if raw.get("items") and isinstance(raw["items"], list):
        return False
    if any(raw.get(key) for key in UNSUPPORTED):
        return False
    return all(map(convertible, inner(raw)))


def has_dialect(raw: Raw) -> bool:
    """Whether a schema, or one in it, says in `$schema` what it is written in: nothing else has a word against that."""
    return bool(raw.get("$schema")) or any(map(has_dialect, inner(raw)))


def inner(raw: Raw) -> Iterator[Raw]:
    """The schemas that a structural schema is made of."""
    inner = [
        *raw.get("properties", {}).values(),
        *(raw[key] for key in ("items", "additionalProperties", "not") if key in raw),
        *(schema for key in ("allOf", "oneOf", "anyOf") for schema in raw.get(key, ())),
    ]
    return (schema for schema in inner if isinstance(schema, Mapping))
