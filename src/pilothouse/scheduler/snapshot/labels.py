"""Node labels as columns of small numbers, and who has which image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.scheduler.snapshot.columns import Columns, IntColumn
from pilothouse.scheduler.snapshot.record import NodeRecord


class Labels:
    """A column for each label somebody asked for: the code of its value, -1 where it is missing."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._values: dict[str, dict[str, int]] = {}

    def codes(self, key: str, records: Iterable[NodeRecord]) -> IntColumn:
        """The codes over all rows, capacity included. `records` are looked at the first time only."""
        name = f"label/{key}"
        if key not in self._values:
            self._values[key] = {}
            column = self._columns.ensure(name, fill=-1)
            for record in records:
                column[record.row] = self._code(key, record.labels)
        return self._columns[name]

    def count(self, key: str) -> int:
        """How many different values were seen: codes are below it."""
        return len(self._values.get(key, ()))

    def write(self, row: int, labels: Mapping[str, str]) -> None:
        """The labels of the node in `row` are these now."""
        for key in self._values:
            self._columns[f"label/{key}"][row] = self._code(key, labels)

    def _code(self, key: str, labels: Mapping[str, str]) -> int:
        value = labels.get(key)
        if value is None:
            return -1
        known = self._values[key]
        return known.setdefault(value, len(known))


class Images(dict[str, tuple[int, int]]):
    """An image's name to its size in bytes and the number of nodes that have it."""

    def replace(self, before: frozenset[str], sizes: Mapping[str, int]) -> frozenset[str]:
        """A node that had `before` has these now; returns their names."""
        names = frozenset(sizes)
        for name in before - names:
            size, count = self[name]
            if count == 1:
                del self[name]
            else:
                self[name] = (size, count - 1)
        for name in names - before:
            _, count = self.get(name, (0, 0))
            self[name] = (sizes[name], count + 1)
        return names
