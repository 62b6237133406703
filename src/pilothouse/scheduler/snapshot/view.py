"""Some rows of a snapshot: a run of nodes for filters, chosen ones for scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pilothouse.scheduler.snapshot.columns import IntColumn

if TYPE_CHECKING:
    from pilothouse.scheduler.snapshot.record import NodeRecord
    from pilothouse.scheduler.snapshot.snapshot import Snapshot

Rows = slice | NDArray[np.intp]


class View:
    """`rows` is a slice or an array of row numbers; every column taken through a view has `len(view)` entries."""

    __slots__ = ("_length", "rows", "snapshot")

    def __init__(self, snapshot: Snapshot, rows: Rows) -> None:
        self.snapshot = snapshot
        self.rows = rows
        self._length = rows.stop - rows.start if isinstance(rows, slice) else len(rows)

    def __len__(self) -> int:
        return self._length

    def ints(self, name: str) -> IntColumn | None:
        """A column of the snapshot, None if no node has anything of it."""
        columns = self.snapshot.columns
        return columns[name][self.rows] if name in columns else None

    def labels(self, key: str) -> IntColumn:
        """Codes of the values of a node label; -1 where it is missing. Equal values have equal codes."""
        return self.snapshot.label_codes(key)[self.rows]

    def records(self) -> list[NodeRecord]:
        """The nodes themselves, for plugins that look at one at a time."""
        held = self.snapshot.records
        if isinstance(self.rows, slice):
            return held[self.rows]
        return [held[row] for row in self.rows]
