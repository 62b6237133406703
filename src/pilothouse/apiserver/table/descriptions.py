"""What a Table says of its columns."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

from pilothouse.apiserver.openapi import descriptions
from pilothouse.apiserver.openapi.descriptions import Described
from pilothouse.apiserver.table.sources import EVERYWHERE, SOURCES

_PREFIXES = {"meta": "io.k8s.apimachinery.pkg.apis."}


def describe(group: str, resource: str, column: str) -> str:
    """The description of a column; empty for one that has none, and where no documentation is installed."""
    source = SOURCES.get((group, resource), EVERYWHERE).get(column) or EVERYWHERE.get(column, "")
    return source if _is_text(source) else _of_fields().get(source, "")


def _is_text(source: str) -> bool:
    return not source or " " in source


@functools.cache
def _of_fields() -> Mapping[str, str]:
    """The documentation of all fields that columns repeat, read once: the rest of it is let go."""
    told = descriptions.read()
    return {source: _of_field(source, told) for source in _fields()}


def _fields() -> Iterator[str]:
    for columns in (EVERYWHERE, *SOURCES.values()):
        yield from (source for source in columns.values() if not _is_text(source))


def _of_field(source: str, told: Mapping[str, Described]) -> str:
    kind, _, field = source.rpartition(".")
    found = told.get(_PREFIXES.get(kind.partition(".")[0], "io.k8s.api.") + kind)
    return found.properties[field].description if found is not None else ""
