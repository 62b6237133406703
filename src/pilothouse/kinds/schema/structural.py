"""A structural schema: what of an OpenAPI schema says which fields there are and how they merge. Pure.

The value validations (`minimum`, `anyOf`, ...) stay in `raw` for those who check values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


class _Missing:
    """Stands for a default that there is none of; null may be one."""


MISSING: Final = _Missing()
META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """`additional` is the schema of members that `properties` does not name; without one they are unknown, unless
    `preserve` keeps them. `open` is `additionalProperties: true`: members are known, nothing of them is."""

    raw: Mapping[str, Any]
    type: str = ""
    nullable: bool = False
    default: Any = MISSING
    properties: Mapping[str, Schema] = field(default_factory=dict)
    additional: Schema | None = None
    open: bool = False
    items: Schema | None = None
    preserve: bool = False
    embedded: bool = False
    int_or_string: bool = False
    list_type: str = ""
    map_keys: tuple[str, ...] = ()
    map_type: str = ""

    def drops_null(self) -> bool:
        """Whether null counts as absent."""
        return not self.nullable


def parse(raw: Mapping[str, Any]) -> Schema:
    """The schema of a JSON tree of JSONSchemaProps."""
    additional = raw.get("additionalProperties")
    items = raw.get("items")
    return Schema(
        raw=raw,
        type=raw.get("type", ""),
        nullable=raw.get("nullable", False),
        default=_default(raw),
        properties={name: parse(inner) for name, inner in raw.get("properties", {}).items()},
        additional=parse(additional) if isinstance(additional, Mapping) else None,
        open=additional is True,
        items=parse(items) if isinstance(items, Mapping) else None,
        preserve=bool(raw.get("x-kubernetes-preserve-unknown-fields")),
        embedded=raw.get("x-kubernetes-embedded-resource", False),
        int_or_string=raw.get("x-kubernetes-int-or-string", False),
        list_type=raw.get("x-kubernetes-list-type") or "",
        map_keys=tuple(raw.get("x-kubernetes-list-map-keys", ())),
        map_type=raw.get("x-kubernetes-map-type") or "",
    )


def _default(raw: Mapping[str, Any]) -> Any:
    found = raw.get("default")
    return MISSING if found is None else found


def children(schema: Schema) -> list[Schema]:
    """The schemas of the parts of a value."""
    found = list(schema.properties.values())
    return [*found, *(part for part in (schema.additional, schema.items) if part is not None)]
