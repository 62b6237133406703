"""Which objects have a value of a label or field: indexes that come about when lists ask for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pilothouse.apiserver.cacher.plan import Axis, value_on
from pilothouse.apiserver.generic.storage import CachedObject

# Axes that are indexed at once; each costs a look at every write. The one not asked for longest goes.
_AXES = 8


class Index:
    """Sets of keys by axis and value."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._axes: dict[Axis, dict[str, set[str]]] = {}

    def keys(self, axis: Axis, value: str, items: Mapping[str, CachedObject]) -> Collection[str]:
        """The keys of `items` that lie at `value`. The first question about an axis looks at all of them."""
        values = self._axes.pop(axis, None)
        if values is None:
            values = {}
            for key, item in items.items():
                if (at := value_on(axis, item, self._prefix)) is not None:
                    values.setdefault(at, set()).add(key)
            if len(self._axes) >= _AXES:
                del self._axes[next(iter(self._axes))]
        self._axes[axis] = values
        return values.get(value, ())

    def move(self, key: str, old: CachedObject | None, new: CachedObject | None) -> None:
        """An object has changed, come (no `old`) or gone (no `new`)."""
        for axis, values in self._axes.items():
            before = value_on(axis, old, self._prefix) if old is not None else None
            after = value_on(axis, new, self._prefix) if new is not None else None
            if before == after:
                continue
            if before is not None:
                held = values[before]
                held.discard(key)
                if not held:
                    del values[before]
            if after is not None:
                values.setdefault(after, set()).add(key)
