"""Tables and metadata-only views of stored objects."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.errors import bad_request
from pilothouse.api.scheme import BY_KIND
from pilothouse.api.types.columns import COLUMNS
from pilothouse.apiserver.generic.storage import Stored
from pilothouse.apiserver.generic.strategy import Strategy, same
from pilothouse.apiserver.table.cells import UNKNOWN, age
from pilothouse.apiserver.table.descriptions import describe
from pilothouse.kit.clock import Clock

_PARTIAL = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b",'
_INCLUDES = ("", "Metadata", "Object", "None")


class Printer:
    """Rows of one kind in one version."""

    def __init__(self, strategy: Strategy[Any], api_version: str) -> None:
        sample = strategy.type()
        kind = sample.kind
        resource = BY_KIND[(api_version, kind)]
        own = strategy.resource
        key = (resource.group, resource.version, resource.resource)
        self._key = key
        self._columns = COLUMNS.get(key) or COLUMNS.get((own.group, own.version, own.resource)) or _DEFAULT
        self.strategy = strategy
        form = strategy.versions.get(api_version)
        self._stored = form.to_storage if form is not None else same
        self.width = len(self._columns)
        self.created_at = self._columns[-1][0] == "Created At"

    @functools.cached_property
    def definitions(self) -> list[dict[str, Any]]:
        """The columns, with descriptions that only a Table makes worth the reading."""
        group, _, resource = self._key
        return [
            {
                "name": name,
                "type": kind,
                "format": form,
                "description": describe(group, resource, name),
                "priority": rank,
            }
            for name, kind, form, rank in self._columns
        ]

    def cells(self, obj: Any, now: float) -> list[Any]:
        if self.strategy.row is not None:
            return list(self.strategy.row(obj, now))
        meta = obj.metadata
        created = meta.creation_timestamp or UNKNOWN
        if self.created_at:
            return [meta.name, created]
        return [meta.name, *[""] * (self.width - 2), age(meta.creation_timestamp, now)][: self.width]

    def row(self, item: Stored, now: float, include: str, version: str) -> dict[str, Any]:
        obj = self._stored(item.obj)
        found: dict[str, Any] = {"cells": self.cells(obj, now)}
        conditions = self.strategy.row_conditions(obj)
        if conditions:
            found["conditions"] = [to_builtins(c) for c in conditions]
        found["object"] = embedded(item, include, version)
        return found


_DEFAULT = (("Name", "string", "name", 0), ("Created At", "date", "", 0))


class _Shown(Protocol):
    """The part of a request's context that a Table depends on."""

    clock: Clock
    media: Any
    query: Mapping[str, Sequence[str]]


def include_of(query: Mapping[str, Sequence[str]]) -> str:
    """The includeObject parameter. Raises StatusError (400)."""
    values = query.get("includeObject")
    include = values[0] if values else ""
    if include not in _INCLUDES:
        told = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise bad_request(f"Unable to convert to Table as requested: {told}")
    return include


def embedded(item: Stored, include: str, version: str) -> Any:
    """What a row shows of its object."""
    if include == "None":
        return None
    if include == "Object":
        return msgspec.Raw(item.wire)
    return msgspec.Raw(metadata_only(item, version))


def metadata_only(item: Stored, version: str) -> bytes:
    """The object's metadata as PartialObjectMetadata."""
    from pilothouse.api.codec.json import encode

    return _PARTIAL % version.encode() + b'"metadata":' + encode(item.obj.metadata) + b"}"


def partial(found: Sequence[Stored], metadata: dict[str, Any] | None, version: str) -> Any:
    if metadata is None:
        return msgspec.Raw(metadata_only(found[0], version))
    rows = [msgspec.Raw(metadata_only(item, version)) for item in found]
    kind = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{version}"}
    return {**kind, "metadata": metadata, "items": rows}


def table(
    printer: Printer, shown: _Shown, found: Sequence[Stored], metadata: dict[str, Any] | None, columns: bool = True
) -> dict[str, Any]:
    """A Table of `found`; `metadata` of a list, None for one object, whose resourceVersion it then carries."""
    version = shown.media.version
    include = include_of(shown.query)
    now = shown.clock.now()
    if metadata is None:
        metadata = {"resourceVersion": str(found[0].revision)} if found and found[0].revision else {}
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": printer.definitions if columns else None,
        "rows": [printer.row(item, now, include, version) for item in found],
    }
