"""How authenticators, authorizers and admission plugins read other objects: from the server's cache, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from pilothouse.api.object import Object

K = TypeVar("K", bound=Object)
Observer = Callable[[K | None, K | None], None]
"""Told of a change: the object before (None: it is new) and after (None: it is gone)."""


class Reader(Protocol):
    """Stored objects, typed and immutable. What `get` and `list` answer may be a moment old; they never wait."""

    def get(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        """The object as the cache has it; None if it has none."""
        ...

    def list(self, kind: type[K], namespace: str = "") -> Sequence[K]:
        """All objects of `kind` in `namespace`; all there are when that is empty."""
        ...

    async def latest(self, kind: type[K], name: str, namespace: str = "") -> K | None:
        """The object as the store has it now, for those who must not act on what is a moment old."""
        ...

    def observe(self, kind: type[K], observer: Observer[K]) -> None:
        """Call `observer` for every object there is (as new) and then at every change, as the cache takes it in.
        Called on the loop: it must be quick and must not raise."""
        ...
