"""Growing columns of equal length, one row a node, without holes: the last row moves into a gap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
IntColumn = NDArray[np.int64]
FloatColumn = NDArray[np.float64]
BoolColumn = NDArray[np.bool_]


class Columns:
    """Named one-dimensional arrays. Only the first `count` entries of each mean something."""

    def __init__(self, capacity: int = 64) -> None:
        self.count = 0
        self._capacity = capacity
        self._held: dict[str, Column] = {}
        self._fill: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __getitem__(self, name: str) -> Column:
        """The whole array, capacity included. It is replaced when the columns grow: don't keep it."""
        return self._held[name]

    def ensure(self, name: str, dtype: type = np.int64, fill: int = 0) -> Column:
        """The column, made with `fill` in every row if there is none."""
        held = self._held.get(name)
        if held is None:
            held = self._held[name] = np.full(self._capacity, fill, dtype=dtype)
            self._fill[name] = fill
        return held

    def drop(self, name: str) -> None:
        del self._held[name], self._fill[name]

    def append(self) -> int:
        """A new row, filled; returns its number."""
        if self.count == self._capacity:
            self._grow()
        row = self.count
        self.count += 1
        for name, held in self._held.items():
            held[row] = self._fill[name]
        return row

    def remove(self, row: int) -> int:
        """Remove a row; returns the number of the row that took its place (the last), or `row` if it was the last."""
        last = self.count - 1
        if row != last:
            for held in self._held.values():
                held[row] = held[last]
        self.count = last
        return last

    def _grow(self) -> None:
        self._capacity *= 2
        for name, held in self._held.items():
            wider = np.full(self._capacity, self._fill[name], dtype=held.dtype)
            wider[: self.count] = held[: self.count]
            self._held[name] = wider
