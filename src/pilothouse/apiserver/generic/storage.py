"""The seam between the registry and what keeps objects: stored items, and a watch cache of one kind over the store.

Bytes first: an item keeps the JSON that was stored, with the resourceVersion spliced in, as a constant `head` of its
kind and a `tail`; GET answers head and tail, lists join tails, watch events put a prefix before them. The typed object
is decoded when someone asks for it, and shared while anybody holds it.
"""

from __future__ import annotations

import collections
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.codec import json as codec
from pilothouse.api.selectors import FieldSelector, LabelSelector

_METADATA = b'"metadata":{'
_VERSION = _METADATA + b'"resourceVersion":"'
# Decoded objects of a kind that are kept although nobody holds them.
_KEPT = 64
ChangeType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class MalformedValue(ValueError):
    """Bytes of the store that do not begin with their kind, apiVersion and metadata: this server did not write them."""


class Unreadable(NamedTuple):
    """What the store has under a key and nobody can read: neither listed nor watched, only named and deleted."""

    key: str
    revision: int
    why: str

    def error(self) -> errors.StatusError:
        """What whoever asks for it hears (as upstream's registry/generic says of corrupt objects)."""
        return errors.internal(
            f"StorageError: corrupt object, Code: 7, Key: {self.key}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"object not decodable revision={self.revision}: {self.why}"
        )


class ObjectCodec:
    """How objects of one kind are written and read: the constant head of their JSON, the splicing of resourceVersions,
    the typed decoding, and the fields that can be selected (beside metadata.name and metadata.namespace)."""

    __slots__ = ("_field_index", "_readers", "_start", "fields", "head", "keep", "type")

    def __init__(self, kind: type[Any], fields: Mapping[str, Callable[[Any], str]] | None = None) -> None:
        sample = kind()
        self.type = kind
        self.head = f'{{"kind":"{sample.kind}","apiVersion":"{sample.api_version}",'.encode()
        self._start = self.head + _METADATA
        self.fields = tuple(fields or ())
        self._readers = tuple((fields or {}).values())
        self._field_index = {name: index for index, name in enumerate(self.fields)}
        self.keep = collections.deque[Any](maxlen=_KEPT).append
        """Keeps an object alive for a while: what is read on every request is decoded once."""

    def value(self, obj: Any) -> bytes:
        """The bytes to store: kind, apiVersion and metadata first, without resourceVersion."""
        if obj.metadata.resource_version:
            obj = replace(obj, metadata=replace(obj.metadata, resource_version=""))
        return codec.encode(obj)

    def of_value(self, key: str, value: bytes, revision: int, obj: Any = None, *, unstored: str = "") -> CachedObject:
        """The item of stored bytes; `obj` is its typed form, if it is at hand, with or without a resourceVersion.

        Revision 0 is that of what is not stored (a dry run's object): it has no resourceVersion but `unstored`.
        """
        if not value.startswith(self._start):
            raise MalformedValue(f"the value of {key} begins with {value[:80]!r}, not with {self._start!r}")
        if not revision:
            return CachedObject(
                self,
                key,
                0,
                self._versioned(value, codec.encode(unstored)[1:]) if unstored else value[len(self.head) :],
            )
        item = CachedObject(self, key, revision, self._versioned(value, b'%d"' % revision))
        if obj is not None:
            item.remember(self.stamped(obj, revision))
        return item

    def tail(self, value: bytes, revision: int) -> bytes:
        """The tail of the item of bytes that this form wrote."""
        return self._versioned(value, b'%d"' % revision)

    def _versioned(self, value: bytes, version: bytes) -> bytes:
        """The tail with a resourceVersion: the rest of its text in JSON."""
        rest = memoryview(value)[len(self._start) :]
        comma = b"" if value.startswith(b"}", len(self._start)) else b","
        return b"".join((_VERSION, version, comma, rest))

    def stamped(self, obj: Any, revision: int) -> Any:
        """`obj` with that resourceVersion."""
        version = str(revision)
        if obj.metadata.resource_version == version:
            return obj
        return replace(obj, metadata=replace(obj.metadata, resource_version=version))

    @property
    def opening(self) -> bytes:
        """What an object begins with as an item of a list: items of typed lists do not say their kind."""
        return b"{"

    def columns(self, obj: Any) -> Columns:
        """What selectors ask of a typed object."""
        return Columns(obj.metadata.labels, tuple([read(obj) for read in self._readers]))

    def index_of(self, field: str) -> int:
        """Where a field stands in `fields`. Raises KeyError."""
        return self._field_index[field]


class Columns(Struct, gc=False, eq=False):
    """What selectors ask for: labels, and the values of the form's `fields` in their order."""

    labels: Mapping[str, str]
    fields: tuple[str, ...]


class CachedObject(Struct, gc=False, eq=False):
    """An immutable object as it is kept at one revision. Made by `ObjectCodec.of_value`.

    A Struct so that the cycle collector does not know it: there may be a hundred thousand, none part of a cycle.
    """

    form: ObjectCodec
    key: str
    revision: int
    tail: bytes
    """`"metadata":{"resourceVersion":"7",...},"spec":...}`, the closing brace included."""
    _obj: weakref.ref[Any] | None = None
    _columns: Columns | None = None

    def remember(self, obj: Any) -> None:
        """`obj` is this item decoded."""
        self._obj = weakref.ref(obj)
        if self._columns is None:
            self._columns = self.form.columns(obj)

    @property
    def head(self) -> bytes:
        """`{"kind":"Pod","apiVersion":"v1",`, one shared object per kind."""
        return self.form.head

    @property
    def obj(self) -> Any:
        """The typed, frozen object with its resourceVersion; the same one while anybody holds it."""
        found = self._obj() if self._obj is not None else None
        if found is None:
            found = self._decoded()
            self.remember(found)
            self.form.keep(found)
        return found

    @property
    def wire(self) -> bytes:
        """The whole JSON."""
        return self.form.head + self.tail

    @property
    def columns(self) -> Columns:
        """What selectors ask for; read out once, without keeping the typed object."""
        if self._columns is None:
            held = self._obj() if self._obj is not None else None
            self._columns = self.form.columns(held if held is not None else self._decoded())
        return self._columns

    def _decoded(self) -> Any:
        """Raises a 500 for bytes that are not ours: who asked for that object must hear it, and nobody else."""
        try:
            return codec.decode(self.wire, self.form.type)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
            raise errors.internal(f"unable to decode {self.key} in the store: {error}") from None

    def at(self, revision: int) -> CachedObject:
        """The same object with another resourceVersion: how a deletion shows the last state."""
        rest = self.tail[self.tail.index(b'"', len(_VERSION)) :]
        moved = CachedObject(self.form, self.key, revision, b"%b%d%b" % (_VERSION, revision, rest))
        moved._columns = self._columns
        held = self._obj() if self._obj is not None else None
        if held is not None:
            stamped = self.form.stamped(held, revision)
            moved.remember(stamped)
            self.form.keep(stamped)
        return moved


class SelectionPredicate(NamedTuple):
    """Which objects of a kind a list or watch is about. Empty texts and selectors select all."""

    namespace: str = ""
    name: str = ""
    labels: LabelSelector | None = None
    fields: FieldSelector | None = None
    weight: int = 0
    """Bytes of a body that cost as much as the selectors do."""


class Page(NamedTuple):
    """Items in key order, consistent at `revision`; `next_key` is where to go on if `limit` cut the list, with
    `remaining` more items (-1: not counted, as with selectors)."""

    items: Sequence[CachedObject]
    revision: int
    next_key: str = ""
    remaining: int = -1


class CacheEvent(Struct, gc=False, eq=False):
    """What a watch tells, shared by all watchers that are told. DELETED carries the last state, with the deletion's
    revision; so does an object that a selector does not select any more. BOOKMARK has no item."""

    type: ChangeType
    item: CachedObject | None
    revision: int
    sequence: int = 0
    """Its place among all changes of the cache."""
    _frame: bytes | None = None
    _forms: dict[Hashable, bytes] | None = None

    def drop_encodings(self) -> None:
        """Nobody is likely to ask any more; they are made again if somebody does."""
        self._frame = self._forms = None

    @property
    def frame(self) -> bytes:
        """The JSON line of the stored version (`{"type":"ADDED","object":{...}}` and a newline), made once for all.
        Not of a BOOKMARK."""
        if self._frame is None:
            assert self.item is not None
            self._frame = b"%b%b%b%b" % (_FRAMES[self.type], self.item.form.head, self.item.tail, _CLOSING)
        return self._frame

    def frame_slices(self, most: int) -> Iterator[bytes]:
        """`frame` in slices of `most` bytes, the last of what is left. They are cut from the item's own bytes as they
        are taken, so that whoever stops in the middle of a large object keeps no copy of it."""
        assert self.item is not None
        opening = _FRAMES[self.type] + self.item.form.head
        tail = self.item.tail
        start = max(most - len(opening), 0)
        yield from slices(opening + tail[:start], most)
        while len(tail) - start >= most:
            yield tail[start : start + most]
            start += most
        yield from slices(tail[start:] + _CLOSING, most)

    def encoded(self, form: Hashable, encode: Callable[[CacheEvent], bytes]) -> bytes:
        """Another encoding (protobuf, Table, another version), made by `encode` once for all and kept under `form`."""
        if self._forms is None:
            self._forms = {}
        found = self._forms.get(form)
        if found is None:
            found = self._forms[form] = encode(self)
        return found


class LargeChange(CacheEvent, gc=True, eq=False, weakref=True):
    """One that can be found again as long as somebody has it (msgspec refuses weak references without gc)."""


_FRAMES: dict[ChangeType, bytes] = {
    "ADDED": b'{"type":"ADDED","object":',
    "MODIFIED": b'{"type":"MODIFIED","object":',
    "DELETED": b'{"type":"DELETED","object":',
}
_CLOSING = b"}\n"


def slices(data: bytes, most: int) -> Iterator[bytes]:
    """`data` in slices of `most` bytes, the last of what is left, cut as they are taken."""
    for start in range(0, len(data), most):
        yield data[start : start + most]


class ChangeStream(Protocol):
    """The changes of one watch, in order of revisions."""

    @property
    def beginning(self) -> bool:
        """Whether objects that were there when it began are still to come, and the bookmark after them."""
        ...

    async def next(self) -> Sequence[CacheEvent]:
        """The next changes, at least one and no more than a piece of bytes or a few hundred. Raises `Compacted` when
        those that follow are lost (the watcher was too slow), StoreUnavailable when the cache closes."""
        ...

    @property
    def revision(self) -> int:
        """Everything up to this revision has been given by `next`, or is of no interest."""
        ...

    def close(self) -> None: ...


Observer = Callable[[CachedObject | None, CachedObject | None], None]
"""Told of the item before (None: it is new) and after (None: it is gone), on the loop: quick, and raises nothing."""


class UnreadableObjects(Protocol):
    """Those of one kind."""

    def get(self, key: str) -> Unreadable | None: ...

    def list(self, namespace: str = "") -> Sequence[Unreadable]:
        """Those of a namespace (empty: all), in key order."""
        ...

    async def discard(self, key: str) -> bool:
        """Delete what is at `key`, whatever it is; False if it can be read, or is not there. Raises StoreUnavailable,
        RevisionMismatch."""
        ...


class Cache(Protocol):
    """The objects of one kind as the store has them, a moment later. Every revision asked for is waited for, for
    a few seconds; then `FutureRevision` is raised."""

    @property
    def unreadable(self) -> UnreadableObjects:
        """What the store has besides."""
        ...

    @property
    def revision(self) -> int:
        """The revision up to which the cache has seen everything."""
        ...

    def __len__(self) -> int:
        """How many objects the cache has now."""
        ...

    def peek(self, key: str) -> CachedObject | None:
        """What the cache has now, perhaps a moment old; None also for what cannot be read."""
        ...

    def items(self, namespace: str = "") -> Sequence[CachedObject]:
        """What the cache has now of a namespace (empty: of all), in key order, perhaps a moment old."""
        ...

    async def get(self, key: str, revision: int = -1) -> CachedObject | None:
        """-1: the most recent; 0: what the cache has; else at least as new as `revision`. Raises StatusError (500) for
        what cannot be read."""
        ...

    async def list(
        self, interest: SelectionPredicate, *, revision: int = -1, exact: bool = False, start: str = "", limit: int = 0
    ) -> Page:
        """`revision` as in `get`; `exact`: as it was at that revision (raises `Compacted`). `start` is a key."""
        ...

    async def watch(self, interest: SelectionPredicate, after: int, *, initial: bool = False) -> ChangeStream:
        """Changes after revision `after` (raises `Compacted`). With `initial` the objects there are come first, as
        ADDED, then a BOOKMARK; `after` is then the least revision they may be at (-1: the most recent)."""
        ...

    async def create(self, key: str, value: bytes, obj: Any = None) -> CachedObject:
        """Write through to the store: when this returns, every reader of the cache sees it. `obj` is the typed form of
        `value`, so that nobody decodes it again. Raises KeyExists."""
        ...

    async def replace(self, key: str, value: bytes, expected_revision: int, obj: Any = None) -> CachedObject:
        """Raises RevisionMismatch."""
        ...

    async def delete(self, key: str, expected_revision: int) -> CachedObject:
        """The last state, with the deletion's revision. Raises RevisionMismatch."""
        ...

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every item there is (as new), and then of every change as it comes in."""
        ...
