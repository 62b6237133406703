"""The seam between the registry and what keeps objects: stored items, and a watch cache of one kind over the store.

Bytes first: an item keeps the JSON that was stored, with the resourceVersion spliced in, as a constant `head` of its
kind and a `tail`; GET answers head and tail, lists join tails, watch events put a prefix before them. The typed object
is decoded when someone asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from msgspec.structs import replace

from pilothouse.api.codec import json as codec
from pilothouse.api.selectors import FieldSelector, LabelSelector

_METADATA = b'"metadata":{'


class Stored:
    """An immutable object as it is kept at one revision. Create with `Stored.of_value` or `Stored.of_object`."""

    __slots__ = ("_obj", "_type", "head", "key", "revision", "tail")

    def __init__(self, key: str, revision: int, head: bytes, tail: bytes, kind: Any, obj: Any = None) -> None:
        self.key = key
        self.revision = revision
        self.head = head
        """`{"kind":"Pod","apiVersion":"v1",`, one shared object per kind."""
        self.tail = tail
        """`"metadata":{"resourceVersion":"7",...},"spec":...}`, the closing brace included."""
        self._type = kind
        self._obj = obj

    @property
    def obj(self) -> Any:
        """The typed, frozen object with its resourceVersion; decoded once."""
        if self._obj is None:
            self._obj = codec.decode(self.wire, self._type)
        return self._obj

    @property
    def wire(self) -> bytes:
        """The whole JSON."""
        return self.head + self.tail


class KindBytes:
    """How objects of one kind are written: the constant head of their JSON, and the splicing of resourceVersions."""

    __slots__ = ("_skip", "head", "type")

    def __init__(self, kind: type[Any]) -> None:
        sample = kind()
        self.type = kind
        self.head = f'{{"kind":"{sample.kind}","apiVersion":"{sample.api_version}",'.encode()
        self._skip = len(self.head) + len(_METADATA)

    def value(self, obj: Any) -> bytes:
        """The bytes to store: kind, apiVersion and metadata first, without resourceVersion."""
        if obj.metadata.resource_version:
            obj = replace(obj, metadata=replace(obj.metadata, resource_version=""))
        return codec.encode(obj)

    def of_value(self, key: str, value: bytes, revision: int, obj: Any = None) -> Stored:
        """The item of stored bytes; `obj` is its typed form if it is at hand (with that resourceVersion)."""
        rest = value[self._skip :]
        comma = b"" if rest[:1] == b"}" else b","
        tail = b'"metadata":{"resourceVersion":"%d"%b%b' % (revision, comma, rest)
        return Stored(key, revision, self.head, tail, self.type, obj)


class Interest(NamedTuple):
    """Which objects of a kind a list or watch is about. Empty texts and selectors select all."""

    namespace: str = ""
    name: str = ""
    labels: LabelSelector | None = None
    fields: FieldSelector | None = None


class Page(NamedTuple):
    """Items in key order, consistent at `revision`; `next_key` is where to go on if `limit` cut the list, with
    `remaining` more items (-1: not counted, as with selectors)."""

    items: Sequence[Stored]
    revision: int
    next_key: str = ""
    remaining: int = -1


class Change(NamedTuple):
    """What a watch tells. DELETED carries the last state, with the deletion's revision; so does an object that a
    selector does not select any more. BOOKMARK has no item."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    item: Stored | None
    revision: int


class ChangeStream(Protocol):
    """The changes of one watch, in order of revisions."""

    async def next(self) -> Sequence[Change]:
        """At least one change. Raises store errors (`WatcherTooSlow`, `Compacted`) when it cannot go on."""
        ...

    @property
    def revision(self) -> int:
        """Everything up to this revision has been given by `next`, or is of no interest."""
        ...

    def close(self) -> None: ...


class Cache(Protocol):
    """The objects of one kind as the store has them, a moment later. Every revision asked for is waited for, for
    a few seconds; then `FutureRevision` is raised."""

    @property
    def revision(self) -> int:
        """The revision up to which the cache has seen everything."""
        ...

    def peek(self, key: str) -> Stored | None:
        """What the cache has now, perhaps a moment old."""
        ...

    async def get(self, key: str, revision: int = -1) -> Stored | None:
        """-1: the most recent; 0: what the cache has; else at least as new as `revision`."""
        ...

    async def list(
        self, interest: Interest, *, revision: int = -1, exact: bool = False, start: str = "", limit: int = 0
    ) -> Page:
        """`revision` as in `get`; `exact`: as it was at that revision (raises `Compacted`). `start` is a key."""
        ...

    async def watch(self, interest: Interest, after: int, *, initial: bool = False) -> ChangeStream:
        """Changes after revision `after` (raises `Compacted`). With `initial` the objects there are come first, as
        ADDED, then a BOOKMARK; `after` is then the least revision they may be at (-1: the most recent)."""
        ...

    def put(self, item: Stored) -> None:
        """A write of our own that the store has acknowledged: a hint, so that the typed object is not decoded again
        when the watch brings it."""
        ...
