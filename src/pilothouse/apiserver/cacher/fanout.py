"""Watchers, and who of them has to look at a change: found by index, so that the others cost nothing."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Sequence

from pilothouse.apiserver.cacher.event_window import EventWindow, Record
from pilothouse.apiserver.cacher.plan import ALL, Axis, Plan, value_on
from pilothouse.apiserver.generic.storage import CachedObject, CacheEvent, LargeChange
from pilothouse.kit import guard
from pilothouse.seams.store import Compacted, StoreError

# Labels that watchers are indexed by; each costs a look at every change. Watchers by yet other labels see all.
_LABEL_AXES = 16
PIECE = 8 * 1024
"""Bytes of the objects that come first that are given at once."""
WAITING = 256
"""Changes that wait for a watcher; it finds more of them in the window."""


class Stream:
    """One watch: implements `generic.storage.ChangeStream`.

    Whoever does not read costs next to nothing. The objects that come first are a list that all watches of the same
    moment share; each becomes a change when it is taken, a large one the same change for all. Of later changes some
    wait here, the others in the window, where they are looked up again: a watcher that is so slow that its next change
    has been forgotten there has lost it, as if it came back from a disconnection with an old version.
    """

    def __init__(
        self, plan: Plan, axis: Axis, fanout: Fanout, initial: Sequence[CachedObject] | None, given: int
    ) -> None:
        self.plan = plan
        self.axis = axis
        self._fanout = fanout
        self._initial = initial
        self._sent = 0
        """Of `initial`, how many were taken."""
        self._begun = fanout.window.sequence
        self._queue: list[CacheEvent] = []
        self._behind = False
        """There are more changes in the window than wait in the queue."""
        self._given = given
        self._error: StoreError | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def revision(self) -> int:
        if self._initial is not None or self._queue or self._behind or self._error is not None:
            return self._given
        return max(self._given, self._fanout.revision)

    @property
    def beginning(self) -> bool:
        return self._initial is not None

    async def next(self) -> Sequence[CacheEvent]:
        while not self._queue or self._initial is not None:
            if self._initial is not None:
                return self._first(self._initial)
            if self._behind:
                self._look_up()
                continue
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._taken()

    def _first(self, initial: Sequence[CachedObject]) -> Sequence[CacheEvent]:
        """The next of the objects that were there, as many as fit into a piece; with the last the bookmark."""
        changes: list[CacheEvent] = []
        size = 0
        while self._sent < len(initial) and size < PIECE:
            item = initial[self._sent]
            self._sent += 1
            size += len(item.tail)
            changes.append(self._fanout.addition(item, self._begun))
        if self._sent == len(initial):
            self._initial = None
            changes += [CacheEvent("BOOKMARK", None, self._given, self._begun), *self._taken()]
        return changes

    def _taken(self) -> list[CacheEvent]:
        taken, self._queue = self._queue, []
        if taken:
            self._given = max(self._given, taken[-1].revision)
        return taken

    def _look_up(self) -> None:
        """Go on with what the window has after the last change taken."""
        self._behind = False
        if self._given < self._fanout.window.floor:
            self.end(Compacted(self._fanout.window.floor))
            return
        for record in self._fanout.window.after(self._given):
            self.offer(record)
            if self._behind:
                return

    def close(self) -> None:
        self._fanout.remove(self)
        self._queue.clear()
        self._initial = None

    def offer(self, record: Record) -> None:
        """Take the change if it is of interest."""
        if record.revision <= self._given:
            return
        if self._behind:
            self._check()
            return
        plan = self.plan
        was = record.old is not None and plan.wants(record.old)
        now = record.new is not None and plan.wants(record.new)
        if now:
            self._push(record.change("MODIFIED" if was else "ADDED"))
        elif was:
            self._push(record.change("DELETED"))

    def _push(self, change: CacheEvent) -> None:
        queue = self._queue
        if not queue and self._initial is None:
            queue.append(change)
            self._wake()
            return
        oldest = self._begun if self._initial is not None else queue[0].sequence
        if oldest < self._fanout.window.first_sequence:
            self.end(Compacted(self._fanout.window.floor))
        elif len(queue) < WAITING:
            queue.append(change)  # whoever waits was woken by the first
        else:
            self._behind = True

    def _check(self) -> None:
        """End a watch whose oldest change, or the state that it began with, was forgotten by the window."""
        window = self._fanout.window
        oldest = self._begun if self._initial is not None else self._queue[0].sequence if self._queue else None
        if oldest < window.first_sequence if oldest is not None else self._given < window.floor:
            self.end(Compacted(window.floor))

    def end(self, error: StoreError) -> None:
        """Nothing more comes; what was not taken is lost."""
        self._fanout.remove(self)
        self._queue.clear()
        self._initial = None
        self._behind = False
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Fanout:
    """All watchers of a cache."""

    def __init__(self, prefix: str, window: EventWindow, current: Callable[[], int]) -> None:
        self._prefix = prefix
        self.window = window
        self._current = current
        self._axes: dict[Axis, dict[str, dict[Stream, None]]] = {}
        self._additions: weakref.WeakValueDictionary[int, LargeChange] = weakref.WeakValueDictionary()
        """Of large items, by their identity, which is nobody else's while the change holds them."""

    @property
    def revision(self) -> int:
        """The revision that all watchers without waiting changes stand at."""
        return self._current()

    def __len__(self) -> int:
        return sum(len(bucket) for buckets in self._axes.values() for bucket in buckets.values())

    def add(self, plan: Plan, initial: Sequence[CachedObject] | None, given: int) -> Stream:
        """A watcher that is given `initial` and a bookmark (None: neither), stands at revision `given` then, and sees
        what comes from now on."""
        axis, value = plan.axis, plan.value
        if axis[0] == "label" and axis not in self._axes and self._labels_full():
            axis, value = ALL, ""
            plan = plan._replace(value="")
        stream = Stream(plan, axis, self, initial, given)
        self._axes.setdefault(axis, {}).setdefault(value, {})[stream] = None
        return stream

    def addition(self, item: CachedObject, sequence: int) -> CacheEvent:
        """What a watch that begins is told of `item`. As long as anybody is still sending that of a large one, it is
        the same for all: what it is encoded in may be as large, and those who do not read would each keep their own."""
        if len(item.tail) < PIECE:
            return CacheEvent("ADDED", item, item.revision, sequence)
        found = self._additions.get(id(item))
        if found is None:
            found = self._additions[id(item)] = LargeChange("ADDED", item, item.revision, sequence)
        return found

    def _labels_full(self) -> bool:
        return sum(axis[0] == "label" for axis in self._axes) >= _LABEL_AXES

    def remove(self, stream: Stream) -> None:
        buckets = self._axes.get(stream.axis, {})
        bucket = buckets.get(stream.plan.value, {})
        bucket.pop(stream, None)
        if not bucket:
            buckets.pop(stream.plan.value, None)
            if not buckets:
                self._axes.pop(stream.axis, None)

    def dispatch(self, record: Record) -> None:
        """Offer a change to all it may concern."""
        concerned: list[Stream] = []
        for axis, buckets in self._axes.items():
            values = {value_on(axis, item, self._prefix) for item in (record.old, record.new) if item is not None}
            for value in values:
                if value is not None and (bucket := buckets.get(value)):
                    concerned += bucket
        if concerned:
            guard.each("watcher", concerned, lambda stream: stream.offer(record), self._lose)

    def _lose(self, stream: Stream, failure: Exception) -> None:
        """A watcher that could not take a change must come back."""
        stream.end(Compacted(self.window.floor))

    def end(self, error: StoreError) -> None:
        """End every watch."""
        for stream in [s for buckets in self._axes.values() for bucket in buckets.values() for s in bucket]:
            stream.end(error)
