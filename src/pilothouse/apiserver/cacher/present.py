"""The lists that watches begin with: one for all that ask for the same before anything changes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence

from pilothouse.apiserver.cacher.snapshot import Contents
from pilothouse.apiserver.generic.storage import CachedObject, SelectionPredicate


class _Present(list[CachedObject]):
    """A list, and what it is of: it lives as long as a watch has not had all of it."""

    state: tuple[int, SelectionPredicate]
    contents: Contents


class Presents:
    """Remembers the last list as long as somebody uses it."""

    def __init__(self) -> None:
        self._last: weakref.ref[_Present] | None = None

    def of(
        self,
        contents: Contents,
        sequence: int,
        interest: SelectionPredicate,
        select: Callable[[], Sequence[CachedObject]],
    ) -> Sequence[CachedObject]:
        """What `select` makes of `contents` for `interest`, after the change number `sequence`."""
        last = self._last() if self._last is not None else None
        if last is None or last.state != (sequence, interest) or last.contents is not contents:
            last = _Present(select())
            last.state, last.contents = (sequence, interest), contents
            self._last = weakref.ref(last)
        return last
