"""A watch of etcd: a stream of its own, read by a task, and the ways to know that it has caught up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pilothouse.kit import guard
from pilothouse.seams.store import Compacted, Event, Sink, StoreError, StoreUnavailable
from pilothouse.store.etcd.channel import WatchStream
from pilothouse.store.etcd.messages import WatchCreate, WatchedEvent, WatchProgress, WatchRequest, WatchResponse

# Seconds that a reader waits for the watch to catch up before the store counts as away.
PATIENCE = 10.0

Keys = dict[bytes, int]
"""The keys there are and their mod revisions."""


class EtcdWatch:
    """Implements `seams.store.Watch`. `run` is its task.

    `newest` asks the server for its revision. `keys_now` is None if the server's progress messages can be trusted;
    before etcd 3.4.25 and 3.5.8 they may overtake events, and then the keys there are compared with the keys seen.
    """

    def __init__(
        self,
        stream: WatchStream,
        root: bytes,
        after_revision: int,
        sink: Sink,
        newest: Callable[[], Awaitable[int]],
        keys_now: Callable[[int], Awaitable[Keys]] | None,
    ) -> None:
        self._stream = stream
        self._root = len(root)
        self._after = after_revision
        self._sink = sink
        self._newest = newest
        self._keys_now = keys_now
        self._keys: Keys = {}
        self._revision = 0
        self._error: StoreError | None = None
        self._closed = False
        self._moved = asyncio.Event()

    @property
    def revision(self) -> int:
        return self._revision

    async def start(self, first: bytes, end: bytes, begin: int, known: Keys) -> None:
        """Ask for the events after revision `begin`, at which the keys `known` were there. Raises StoreUnavailable,
        Compacted."""
        self._revision = begin
        self._keys = known
        create = WatchCreate(key=first, range_end=end, start_revision=begin + 1)
        await self._stream.send(WatchRequest(create=create))
        response = await self._stream.receive()
        if response.canceled:
            raise self._refused(response)

    async def run(self) -> None:
        """Read until the end."""
        try:
            while True:
                self._take(await self._stream.receive())
        except StoreError as error:
            self._end(error)

    async def catch_up(self) -> int:
        wanted = await self._newest()
        try:
            async with asyncio.timeout(PATIENCE):
                while self._revision < wanted:
                    await self._ask(wanted)
        except TimeoutError:
            raise StoreUnavailable("etcd does not deliver its events") from None
        self._raise_error()
        return self._revision

    def close(self) -> None:
        self._closed = True
        self._stream.cancel()

    def end(self, error: StoreError) -> None:
        """The store closes."""
        self._stream.cancel()
        self._end(error)

    async def _ask(self, wanted: int) -> None:
        """Get a step nearer to `wanted`."""
        self._raise_error()
        if self._keys_now is None:
            self._moved.clear()
            await self._stream.send(WatchRequest(progress=WatchProgress()))
            await self._moved.wait()
            return
        there = await self._keys_now(wanted)
        while not self._has_reached(there, wanted):
            self._moved.clear()
            await self._moved.wait()
            self._raise_error()
        self._revision = max(self._revision, wanted)

    def _has_reached(self, there: Keys, wanted: int) -> bool:
        """Events come in order, so either some of those up to `wanted` are missing or the keys are the same."""
        return self._revision >= wanted or self._keys == there

    def _take(self, response: WatchResponse) -> None:
        if response.canceled:
            raise self._refused(response)
        if response.events:
            self._revision = max(self._revision, response.events[-1].kv.mod_revision)
            events = [self._event(event) for event in response.events]
            if wanted := [event for event in events if event.mod_revision > self._after]:
                self._deliver(wanted)
        elif response.watch_id == -1 and self._keys_now is None:
            self._revision = max(self._revision, response.header.revision)
        self._moved.set()

    def _deliver(self, events: Sequence[Event]) -> None:
        """Raises StoreUnavailable if the sink raised: it has lost events, and must begin anew."""
        failure = guard.call("store watch", events[0].key, self._sink.events, events)
        if failure is not None:
            raise StoreUnavailable(f"the watch failed: {failure!r}")

    def _event(self, event: WatchedEvent) -> Event:
        kv = event.kv
        key = kv.key[self._root :].decode()
        if event.type == 1:
            self._keys.pop(kv.key, None)
            return Event(key, None, 0, kv.mod_revision)
        if self._keys_now is not None:
            self._keys[kv.key] = kv.mod_revision
        return Event(key, kv.value, kv.create_revision, kv.mod_revision)

    def _refused(self, response: WatchResponse) -> StoreError:
        if response.compact_revision:
            return Compacted(response.compact_revision)
        return StoreUnavailable(f"etcd ends a watch: {response.cancel_reason}")

    def _end(self, error: StoreError) -> None:
        if self._error is None and not self._closed:
            self._error = error
            guard.call("store watch", error, self._sink.ended, error)
        self._moved.set()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise StoreUnavailable("the watch is closed")
