"""Tables and metadata-only views of stored objects."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.errors import bad_request
from pilothouse.api.scheme import BY_KIND
from pilothouse.api.types.columns import COLUMNS
from pilothouse.api.types.meta.v1 import PartialObjectMetadata
from pilothouse.apiserver.table.descriptions import describe
from pilothouse.kinds.cells import UNKNOWN, age
from pilothouse.kinds.strategy import Cell, Strategy, same
from pilothouse.kit.clock import Clock

_PARTIAL = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b",'
_INCLUDES = ("", "Metadata", "Object", "None")


class Item(Protocol):
    """An object as it is shown: typed, and as the bytes that are sent."""

    @property
    def obj(self) -> Any: ...

    @property
    def wire(self) -> bytes: ...

    @property
    def revision(self) -> int: ...


Columns = Sequence[tuple[str, str, str, int]]
"""Name, type, format and priority."""


class Printer:
    """Columns of one kind, and the rows under them: `cells` of an object at a wall time."""

    def __init__(
        self, resource: tuple[str, str], columns: Columns, cells: Callable[[Any, float], Sequence[Cell]]
    ) -> None:
        self._resource = resource
        self._columns = columns
        self._cells = cells

    @functools.cached_property
    def definitions(self) -> list[dict[str, Any]]:
        """The columns, with descriptions that only a Table makes worth the reading."""
        return [
            {
                "name": name,
                "type": kind,
                "format": form,
                "description": describe(*self._resource, name),
                "priority": rank,
            }
            for name, kind, form, rank in self._columns
        ]

    def conditions(self, obj: Any) -> Sequence[msgspec.Struct]:
        return ()

    def ordered(self, found: Sequence[Item]) -> Sequence[Item]:
        """The items of a list as its rows follow one another."""
        return found

    def row(self, item: Item, now: float, include: str, version: str) -> dict[str, Any]:
        obj = item.obj
        found: dict[str, Any] = {"cells": list(self._cells(obj, now))}
        if conditions := self.conditions(obj):
            found["conditions"] = [to_builtins(c) for c in conditions]
        found["object"] = embedded(item, include, version)
        return found


class KindPrinter(Printer):
    """Rows of a stored kind in one of its versions, as its strategy tells them."""

    def __init__(self, strategy: Strategy[Any], api_version: str) -> None:
        resource = BY_KIND[(api_version, strategy.type().kind)]
        own = strategy.resource
        key = (resource.group, resource.version, resource.resource)
        columns = COLUMNS.get(key) or COLUMNS.get((own.group, own.version, own.resource)) or _DEFAULT
        super().__init__((resource.group, resource.resource), columns, self._told)
        self._strategy = strategy
        form = strategy.versions.get(api_version)
        self._stored = form.to_storage if form is not None else same
        self._width = len(columns)
        self._created_at = columns[-1][0] == "Created At"

    def _told(self, obj: Any, now: float) -> Sequence[Cell]:
        if self._strategy.row is not None:
            return self._strategy.row(self._stored(obj), now)
        meta = obj.metadata
        if self._created_at:
            return meta.name, meta.creation_timestamp or UNKNOWN
        return (meta.name, *[""] * (self._width - 2), age(meta.creation_timestamp, now))[: self._width]

    def conditions(self, obj: Any) -> Sequence[msgspec.Struct]:
        return self._strategy.row_conditions(self._stored(obj))

    def ordered(self, found: Sequence[Item]) -> Sequence[Item]:
        order = self._strategy.row_order
        return found if order is None else sorted(found, key=lambda item: order(self._stored(item.obj)))


_DEFAULT = (("Name", "string", "name", 0), ("Created At", "date", "", 0))


class Shown(Protocol):
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


def embedded(item: Item, include: str, version: str) -> Any:
    """What a row shows of its object."""
    if include == "None":
        return None
    if include == "Object":
        return msgspec.Raw(item.wire)
    return msgspec.Raw(metadata_only(item, version))


def metadata_only(item: Item, version: str) -> bytes:
    """The object's metadata as PartialObjectMetadata."""
    from pilothouse.api.codec.json import encode

    return _PARTIAL % version.encode() + b'"metadata":' + encode(item.obj.metadata) + b"}"


def metadata_message(item: Item, version: str) -> PartialObjectMetadata:
    """The same, typed."""
    return PartialObjectMetadata(api_version=f"meta.k8s.io/{version}", metadata=item.obj.metadata)


def partial_list(items: Sequence[msgspec.Raw], metadata: dict[str, Any], version: str) -> dict[str, Any]:
    kind = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{version}"}
    return {**kind, "metadata": metadata, "items": items}


def row_maker(printer: Printer, shown: Shown) -> Callable[[Item], dict[str, Any]]:
    """What makes the row of an item. Raises StatusError (400)."""
    include, now, version = include_of(shown.query), shown.clock.now(), shown.media.version
    return lambda item: printer.row(item, now, include, version)


def table(
    printer: Printer, shown: Shown, rows: Sequence[dict[str, Any]], metadata: dict[str, Any], columns: bool = True
) -> dict[str, Any]:
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{shown.media.version}",
        "metadata": metadata,
        "columnDefinitions": printer.definitions if columns else None,
        "rows": rows,
    }


def table_of_one(printer: Printer, shown: Shown, item: Item, columns: bool = True) -> dict[str, Any]:
    """A Table of one row, which carries the revision of its object. Raises StatusError (400)."""
    metadata = {"resourceVersion": str(item.revision)} if item.revision else {}
    return table(printer, shown, [row_maker(printer, shown)(item)], metadata, columns)
