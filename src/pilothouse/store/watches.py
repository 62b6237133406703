"""The watches of an in-process engine: who is told of a change to which key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pilothouse.kit import guard
from pilothouse.seams.store import Event, Sink, StoreError, StoreUnavailable

# Directories remembered; a cluster has some resources times some namespaces.
_MEMO_LIMIT = 10_000


class StoreWatch:
    """One watch. Until `go_live` its events are kept back, because older ones are still being read.

    Implements `seams.store.Watch`; `committed` tells the engine's revision, which a live feed has always reached.
    """

    def __init__(
        self, prefix: str, after_revision: int, sink: Sink, committed: Callable[[], int], owner: WatchIndex
    ) -> None:
        self.prefix = prefix
        self._after = after_revision
        self._sink = sink
        self._committed = committed
        self._owner = owner
        self._held: list[Event] | None = []
        self._error: StoreError | None = None

    @property
    def revision(self) -> int:
        return self._committed()

    async def catch_up(self) -> int:
        if self._error is not None:
            raise self._error
        return self._committed()

    def close(self) -> None:
        self._owner.remove(self)

    @property
    def closed(self) -> bool:
        return self not in self._owner

    def take(self, batch: Sequence[Event]) -> None:
        """Events with this feed's prefix, in order."""
        if batch[0].mod_revision <= self._after:
            batch = [event for event in batch if event.mod_revision > self._after]
            if not batch:
                return
        if self._held is not None:
            self._held.extend(batch)
        else:
            self._sink.events(batch)

    def past(self, batch: Sequence[Event]) -> None:
        """Older events, read from history, before going live."""
        if batch and not self.closed:
            self._sink.events(batch)

    def go_live(self) -> None:
        """Raises what the feed ended with while older events were read: its sink has not been told."""
        if self._error is not None:
            raise self._error
        held, self._held = self._held, None
        if held and not self.closed:
            self._sink.events(held)

    def end(self, error: StoreError) -> None:
        self._error = error
        if self._held is None:
            self._sink.ended(error)


class WatchIndex:
    """All watches of an engine, found by the directory of a key: its text up to the last slash."""

    def __init__(self) -> None:
        self._feeds: dict[StoreWatch, None] = {}
        self._by_directory: dict[str, tuple[StoreWatch, ...]] = {}
        self._partial: tuple[StoreWatch, ...] = ()

    def __contains__(self, feed: StoreWatch) -> bool:
        return feed in self._feeds

    def add(self, prefix: str, after_revision: int, sink: Sink, committed: Callable[[], int]) -> StoreWatch:
        feed = StoreWatch(prefix, after_revision, sink, committed, self)
        self._feeds[feed] = None
        self._changed()
        return feed

    def remove(self, feed: StoreWatch) -> None:
        if self._feeds.pop(feed, self) is None:
            self._changed()

    def _changed(self) -> None:
        self._by_directory.clear()
        self._partial = tuple(f for f in self._feeds if not f.prefix.endswith("/") and f.prefix)

    def dispatch(self, batch: Iterable[Event]) -> None:
        """Tell everyone concerned; each feed gets its share of the batch in one call."""
        shares: dict[StoreWatch, list[Event]] = {}
        for event in batch:
            directory = event.key[: event.key.rfind("/") + 1]
            feeds = self._by_directory.get(directory)
            if feeds is None:
                feeds = self._learn(directory)
            for feed in feeds:
                shares.setdefault(feed, []).append(event)
            for feed in self._partial:
                if event.key.startswith(feed.prefix):
                    shares.setdefault(feed, []).append(event)
        guard.each("store watch", shares.items(), self._give, self._give_up)

    def _give(self, share: tuple[StoreWatch, list[Event]]) -> None:
        feed, events = share
        if feed in self._feeds:
            feed.take(events)

    def _give_up(self, share: tuple[StoreWatch, list[Event]], failure: Exception) -> None:
        """A sink that raised has lost events: it must begin anew, and nobody else hears of it."""
        feed = share[0]
        if feed in self._feeds:
            self.remove(feed)
            guard.call("store watch", feed.prefix, feed.end, StoreUnavailable(f"the watch failed: {failure!r}"))

    def _learn(self, directory: str) -> tuple[StoreWatch, ...]:
        if len(self._by_directory) >= _MEMO_LIMIT:
            self._by_directory.clear()
        whole = (f for f in self._feeds if f not in self._partial)
        found = self._by_directory[directory] = tuple(f for f in whole if directory.startswith(f.prefix))
        return found

    def end(self, error: StoreError) -> None:
        """The engine closes, or its history is another one: every watch ends."""
        ended, self._feeds = self._feeds, {}
        self._changed()
        guard.each("store watch", ended, lambda feed: feed.end(error))
