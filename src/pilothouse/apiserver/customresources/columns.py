"""Tables of custom resources: a name, then the columns of the definition, or the age without any. Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.api import go_text
from pilothouse.api.codec.json import to_builtins
from pilothouse.api.custom import CustomObject
from pilothouse.api.time import TimeError, canonical_time
from pilothouse.api.types.apiextensions.v1 import CustomResourceColumnDefinition
from pilothouse.apiserver.table.build import Printer
from pilothouse.kinds.cells import UNKNOWN, age
from pilothouse.kinds.schema import jsonpath
from pilothouse.kinds.schema.numbers import go_number

_AGE = CustomResourceColumnDefinition(name="Age", type="date", json_path=".metadata.creationTimestamp")


class CustomPrinter(Printer):
    """Rows of one version of a custom resource."""

    def __init__(self, columns: Sequence[CustomResourceColumnDefinition]) -> None:
        try:
            finders = [(jsonpath.compiled(c.json_path), _WRITERS[c.type]) for c in columns or (_AGE,)]
        except jsonpath.JSONPathError:  # columns that cannot be followed count as none
            columns, finders = (), [(jsonpath.compiled(_AGE.json_path), _WRITERS[_AGE.type])]
        told = [(c.name, c.type, c.format, c.priority) for c in columns] or [("Age", "date", "", 0)]
        super().__init__(("", ""), [("Name", "string", "name", 0), *told], self._found)
        self._own = columns
        self._finders = finders

    @functools.cached_property
    def definitions(self) -> list[dict[str, Any]]:
        found = super().definitions
        for definition, column in zip(found[1:], self._own, strict=False):
            definition["description"] = column.description or _described(column)
        return found

    def _found(self, obj: CustomObject, now: float) -> Sequence[Any]:
        tree = to_builtins(obj)
        cells: list[Any] = [obj.metadata.name]
        for find, write in self._finders:
            found = find(tree)
            cells.append(write(found[0], now) if found and found[0] is not None else None)
        return cells


def _described(column: CustomResourceColumnDefinition) -> str:
    return f"Custom resource definition column (in JSONPath format): {column.json_path}"


def _integer(value: Any, now: float) -> Any:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(value: Any, now: float) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any, now: float) -> Any:
    return value if isinstance(value, bool) else None


def _string(value: Any, now: float) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return go_number(value) if isinstance(value, int | float) else go_text.to_json(value)


def _date(value: Any, now: float) -> Any:
    if not isinstance(value, str):
        return None
    try:
        return age(canonical_time(value), now)
    except TimeError:
        return UNKNOWN


_WRITERS: dict[str, Callable[[Any, float], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _string,
    "date": _date,
}
