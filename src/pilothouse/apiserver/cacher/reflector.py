"""The state of one resource as the store has it, kept up by a watch: what the cache answers from."""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.api.codec.depth import DEEPEST, too_deep
from pilothouse.api.errors import StatusError
from pilothouse.apiserver.cacher.event_window import EventWindow
from pilothouse.apiserver.cacher.fanout import Fanout
from pilothouse.apiserver.cacher.snapshot import Contents
from pilothouse.apiserver.generic.storage import CachedObject, MalformedValue, ObjectCodec, Observer, Unreadable
from pilothouse.kit import guard
from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import Compacted, Event, KeyValue, Store, StoreError, StoreUnavailable, Watch

log = logging.getLogger(__name__)

# Seconds between attempts to reach a store that is away, and how long a reader waits for them.
RETRY = 0.5
PATIENCE = 5.0
# Seconds that a reflector which is not used any more goes on for the requests that still do.
_LINGER = 60.0
# Past changes that a new cache reads, so that watches go on over a restart; and objects it takes in at once.
_HISTORY = 10_000
_PART = 250
_PAGE = 10_000
# Typed objects that were just written are kept alive until their readers have got hold of them.
_RECENT = 256


@dataclass(frozen=True, slots=True)
class Source:
    """What a cache is about. `prefix` ends with a slash (`/registry/pods/`). Watches and lists that want one value of
    a field in `indexed` (names of the form's fields) are found by it."""

    form: ObjectCodec
    prefix: str
    namespaced: bool
    indexed: Sequence[str] = ()
    ring_records: int = 20_000
    ring_bytes: int = 24_000_000


Hint = tuple[bytes, Any]


class CacheReflector:
    """Fills itself when started, and anew whenever its watch ends. Is the sink of the store's watch."""

    def __init__(self, store: Store, source: Source, clock: Clock, scope: TaskScope) -> None:
        self._store = store
        self.source = source
        self._form = source.form
        self._clock = clock
        self._scope = scope
        self.contents = Contents(source.prefix)
        self.window = EventWindow(0, source.ring_records, source.ring_bytes)
        self.fanout = Fanout(source.prefix, self.window, lambda: self.revision)
        self._watch: Watch | None = None
        self.retired: StoreUnavailable | None = None
        """Why there are no new watchers any more."""
        self._seen = 0
        self._trouble: StoreUnavailable | None = None
        self._filling: asyncio.Task[None] | None = None
        self._hints: dict[str, list[Hint]] = {}
        self._recent: collections.deque[Any] = collections.deque(maxlen=_RECENT)
        self._observers: list[Observer] = []

    @property
    def revision(self) -> int:
        """Everything up to it is in the contents."""
        return self._watch.revision if self._watch is not None else self._seen

    @property
    def synced(self) -> bool:
        """Whether it was filled, and is not being filled anew."""
        filling = self._filling is not None and not self._filling.done()
        return self._watch is not None or (self._seen > 0 and not filling)

    def observe(self, observer: Observer, present: Sequence[CachedObject]) -> None:
        """Tell `observer` of what is `present`, and of every change."""
        guard.each("cache observer", present, lambda item: observer(None, item))
        self._observers.append(observer)

    async def watch(self) -> Watch:
        """The running watch, started if need be. Raises StoreUnavailable if that does not come about in time."""
        waited = False
        while self._watch is None and not waited:
            try:
                async with self._clock.timeout(PATIENCE):
                    await asyncio.shield(self._begin())
                    waited = True
            except TimeoutError:
                # Much to load may take longer; a store that is away is not waited for.
                if self._trouble is not None:
                    raise self._trouble from None
        if self._watch is None:
            raise StoreUnavailable(f"the watch of {self.source.prefix} ended")
        return self._watch

    def expect(self, key: str, value: bytes, obj: Any) -> Hint:
        """`value`, which decodes to `obj`, is about to be written to `key`. To be taken back by `expect_no_more`."""
        hint = (value, obj)
        self._hints.setdefault(key, []).append(hint)
        return hint

    def expect_no_more(self, key: str, hint: Hint) -> None:
        """What was expected was written, or will not be."""
        hints = self._hints[key]
        hints.remove(hint)
        if not hints:
            del self._hints[key]

    def retire(self) -> None:
        """End the watchers now and the watch of the store a while later, for requests that are under way."""
        self.retired = StoreUnavailable(f"{self.source.prefix} is not served as before")
        self.fanout.end(self.retired)
        if not self._scope.closing:
            self._scope.spawn(_later(self._clock, _LINGER, self.close), f"close {self.source.prefix}")

    def close(self) -> None:
        """Follow the store no longer."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def events(self, batch: Sequence[Event]) -> None:
        guard.each("watch cache", batch, self._take, self._set_aside)

    def _take(self, event: Event) -> None:
        """Raises whatever reading the object raises: then nobody has heard of it yet."""
        item = None if event.value is None else self._item(event)
        self._changed(self.contents.set(event.key, item), item, event.mod_revision)

    def _changed(self, old: CachedObject | None, item: CachedObject | None, revision: int) -> None:
        self._seen = revision
        if old is not None or item is not None:
            self.fanout.dispatch(self.window.add(old, item, revision))
            self._tell(old, item)

    def _set_aside(self, event: Event, failure: Exception) -> None:
        """Go on without an object that cannot be read: to readers and watchers it is gone."""
        old = self.contents.set_aside(Unreadable(event.key, event.mod_revision, reason(failure)))
        self._changed(old, None, event.mod_revision)

    def ended(self, error: StoreError) -> None:
        self._watch = None
        log.info("the watch of %s ended: %s", self.source.prefix, error)
        self.fanout.end(error)
        if self._observers and not self._scope.closing:
            self._begin()

    def _item(self, event: Event) -> CachedObject:
        assert event.value is not None
        obj = next((o for value, o in self._hints.get(event.key, ()) if value == event.value), None)
        if obj is None:
            return self._read(event.key, event.value, event.mod_revision)
        stamped = self._form.stamped(obj, event.mod_revision)
        self._recent.append(stamped)
        return self._form.of_value(event.key, event.value, event.mod_revision, stamped)

    def _read(self, key: str, value: bytes, revision: int) -> CachedObject:
        """An item that is known to decode: what selectors ask for is read out at once. Raises anything."""
        if too_deep(value):  # it could be read, but neither walked by everybody nor written again
            raise MalformedValue(f"the value of {key} is nested deeper than {DEEPEST} levels")
        item = self._form.of_value(key, value, revision)
        assert item.columns is not None
        return item

    def _tell(self, old: CachedObject | None, new: CachedObject | None) -> None:
        item = new or old
        if self._observers and item is not None:
            guard.tell("cache observer", item.key, self._observers, old, new)

    def _begin(self) -> asyncio.Task[None]:
        if self._filling is None or self._filling.done():
            self._filling = self._scope.spawn(self._fill(), f"fill {self.source.prefix}")
        return self._filling

    async def _fill(self) -> None:
        """Load the state as of a while ago and replay what came after, so that watches go on over a restart."""
        while self._watch is None:
            try:
                now = await self._store.revision()
                base = max(await self._store.compacted(), now - _HISTORY, 1)
                self._install(await _load(self._store, self.source.prefix, self._read, self._clock, base), base)
                self._watch = await self._store.watch(self.source.prefix, base, self)
                self._trouble = None
            except Compacted:
                log.debug("the store was compacted while %s was loaded", self.source.prefix)
            except StoreUnavailable as error:
                log.warning("cannot load %s: %s", self.source.prefix, error)
                self._trouble = error
                await self._clock.sleep(RETRY)

    def _install(self, loaded: Contents, base: int) -> None:
        """Make what was loaded the present, and tell observers what is different."""
        before, self.contents = self.contents.items, loaded
        self.window.reset(base)
        self._seen = base
        if not self._observers:
            return
        for item in loaded.items.values():
            old = before.pop(item.key, None)
            if old is None or old.revision != item.revision:
                self._tell(old, item)
        for gone in before.values():
            self._tell(gone, None)


async def _later(clock: Clock, seconds: float, work: Callable[[], None]) -> None:
    await clock.sleep(seconds)
    work()


async def _load(
    store: Store, prefix: str, read: Callable[[str, bytes, int], CachedObject], clock: Clock, base: int
) -> Contents:
    """The objects at revision `base`. Raises Compacted."""
    loaded = Contents(prefix)

    def take(kv: KeyValue) -> None:
        loaded.set(kv.key, read(kv.key, kv.value, kv.mod_revision))

    def set_aside(kv: KeyValue, failure: Exception) -> None:
        loaded.set_aside(Unreadable(kv.key, kv.mod_revision, reason(failure)))

    position, more = "", True
    while more:
        found = await store.range(prefix, start=position, limit=_PAGE, revision=base)
        for first in range(0, len(found.items), _PART):
            part = found.items[first : first + _PART]
            guard.each("watch cache", part, take, set_aside)
            await clock.sleep(0)
        more = found.more
        position = found.items[-1].key + "\0" if more else ""
    return loaded


def reason(failure: Exception) -> str:
    """Why an object cannot be read, in one line of bounded length."""
    said = failure.status.message if isinstance(failure, StatusError) else f"{type(failure).__name__}: {failure}"
    return said.partition("\n")[0][:500]
