"""Shapes of the facts that `tools/gen` writes beside the generated types."""

from __future__ import annotations

from typing import NamedTuple


class FieldFact(NamedTuple):
    """One field of a type: names, Go type, protobuf number, and how patches treat it.

    `go_type` is written as Go writes it (`*int32`, `[]Container`, `map[string]string`), which error texts need.
    An inline field has an empty `json_name`; its fields are read in place, but in protobuf it is a message of its own.
    """

    json_name: str
    attribute: str
    go_type: str
    number: int
    omit_empty: bool = False
    omit_zero: bool = False
    inline: bool = False
    patch_strategy: str = ""
    patch_merge_key: str = ""
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    required: bool = False
    default: str = ""
    optional: bool = False
    """Marked optional though Go always writes it."""


class TypeFact(NamedTuple):
    """A type of the API: a struct with `fields`, or an alias of another Go type, perhaps with `enum` values."""

    name: str
    fields: tuple[FieldFact, ...] = ()
    alias_of: str = ""
    enum: tuple[str, ...] = ()
    atomic: bool = False
    published_enum: bool = False
    """Whether OpenAPI tells the enum's values."""


class Subresource(NamedTuple):
    """A subresource as discovery tells it; `kind` of `group`/`version` is its body."""

    name: str
    kind: str
    group: str
    version: str
    verbs: tuple[str, ...]


class Resource(NamedTuple):
    """A served resource as discovery tells it."""

    group: str
    version: str
    resource: str
    kind: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version
