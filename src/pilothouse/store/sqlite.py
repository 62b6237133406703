"""The SQLite engine: one file, durable, for one machine. All writes of a loop turn are one transaction.

A write gets its revision and its place in the log at once, on the loop. Those that came in while the last commit
was under way make the next one, in a thread; when it is on disk, watches are told and then the writers. If it fails,
it and everything that waits behind it (which may build on it) is undone and refused, and nobody was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pilothouse.seams.store import (
    Compacted,
    FutureRevision,
    KeyExists,
    KeyValue,
    Range,
    RevisionMismatch,
    Sink,
    Snapshot,
    StoreUnavailable,
    Watch,
)
from pilothouse.store.commits import CommitQueue
from pilothouse.store.keys import bounds
from pilothouse.store.revision_log import Entry, Head, RevisionLog
from pilothouse.store.sqlite_file import BATCH_LIMIT, SQLiteFile, select, translated
from pilothouse.store.watches import StoreWatch, WatchIndex

T = TypeVar("T")
# Events of the past that are read at once.
_PAST_PART = 1000
# Keys of a snapshot that are read at once.
_PIECE = 512


class SQLiteSnapshot:
    """A `seams.store.Snapshot`: a read transaction that stays open. Nothing is copied; while it is open the journal
    grows by all that is written to the store."""

    def __init__(self, connection: sqlite3.Connection, revision: int) -> None:
        self._connection = connection
        self.revision = revision

    async def pieces(self) -> AsyncIterator[Sequence[KeyValue]]:
        position, more = "", True
        while more:
            page = functools.partial(select, self._connection, bounds("", position), _PIECE, self.revision)
            items = await _run(None, page, "cannot read the snapshot")
            if items:
                yield items
                position = items[-1].key + "\0"
            more = len(items) == _PIECE

    async def close(self) -> None:
        await _run(None, self._connection.close)


class SQLiteStore:
    """A `seams.store.Store` in a file. Make it with `open`."""

    def __init__(self, file: SQLiteFile, revision_log: RevisionLog, compacted: int) -> None:
        self._file = file
        self._revision_log = revision_log
        self._compacted = compacted
        self._committed = revision_log.revision
        self._feeds = WatchIndex()
        self._loop = asyncio.get_running_loop()
        self._writer = ThreadPoolExecutor(1, "store-writer")
        self._reader = ThreadPoolExecutor(1, "store-reader")
        append = functools.partial(_append, file)
        self._commits = CommitQueue(self._writer, append, self._done, revision_log.undo, BATCH_LIMIT)
        self._closed = False
        self._restoring = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> SQLiteStore:
        """Open or create the store at `path`. Raises StoreUnavailable: in use, unreadable, damaged."""

        def load() -> tuple[SQLiteFile, RevisionLog, int]:
            file = SQLiteFile(path)
            with contextlib.ExitStack() as undo:
                undo.callback(file.close)
                revision_log = RevisionLog(file.newest_revision())
                for key, head in file.heads():
                    revision_log.load(key, head)
                compacted = file.meta("compacted")
                undo.pop_all()
            return file, revision_log, compacted

        what = f"cannot read the store {path}"
        return cls(*await asyncio.get_running_loop().run_in_executor(None, translated, load, what))

    async def revision(self) -> int:
        self._require_open()
        return self._committed

    async def compacted(self) -> int:
        self._require_open()
        return self._compacted

    async def get(self, key: str) -> KeyValue | None:
        self._require_open()
        await self._settled(key)
        found = self._look_up(key)
        if found is None and self._revision_log.head(key) is not None:
            async with self._restoring:  # the file has another history already
                return self._look_up(key)
        return found

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        self._require_open()
        if revision > self._committed:
            raise FutureRevision(self._committed)
        while True:
            at = revision or self._committed
            if at < self._compacted:
                raise Compacted(self._compacted)
            work = functools.partial(self._file.range, bounds(prefix, start), limit, at)
            compacted, items, total = await _run(self._reader, work)
            if compacted <= at:
                return Range(items, at, len(items) < total, total)

    async def create(self, key: str, value: bytes) -> int:
        self._require_open(to_write=True)
        if self._revision_log.head(key) is not None:
            await self._settled(key, to_write=True)
            if (current := self._look_up(key)) is not None:
                raise KeyExists(current)
        return await self._commits.submit(self._revision_log.put(key, value))

    async def replace(self, key: str, value: bytes, expected_revision: int) -> int:
        await self._check(key, expected_revision)
        return await self._commits.submit(self._revision_log.put(key, value))

    async def delete(self, key: str, expected_revision: int) -> int:
        await self._check(key, expected_revision)
        return await self._commits.submit(self._revision_log.delete(key))

    async def watch(self, prefix: str, after_revision: int, sink: Sink) -> Watch:
        self._require_open()
        if after_revision < self._compacted:
            raise Compacted(self._compacted)
        feed = self._feeds.add(prefix, after_revision, sink, lambda: self._committed)
        with contextlib.ExitStack() as undo:
            undo.callback(feed.close)
            await _deliver_past(self._reader, self._file, feed, after_revision, self._committed)
            feed.go_live()
            undo.pop_all()
        return feed

    async def compact(self, revision: int) -> None:
        self._require_open(to_write=True)
        if revision > self._committed:
            raise FutureRevision(self._committed)
        if revision <= self._compacted:
            raise Compacted(self._compacted)
        await _run(self._writer, functools.partial(self._file.begin_compaction, revision))
        self._compacted = max(self._compacted, revision)
        while not (self._closed or self._restoring.locked()) and await _run(self._writer, self._file.sweep):
            pass

    async def snapshot(self) -> Snapshot:
        self._require_open()
        # By the writer: whoever waits for it has then heard of every commit before it.
        return SQLiteSnapshot(*await _run(self._writer, self._file.snapshot))

    async def restore(self, snapshot: Snapshot) -> int:
        self._require_open(to_write=True)
        async with self._restoring:
            await self._commits.drained()
            revision = max(self._revision_log.revision, snapshot.revision) + 1
            heads: dict[str, Head] = {}
            try:
                await _run(self._writer, self._file.begin_restore)
                async for piece in snapshot.pieces():
                    self._require_open()
                    await _run(self._writer, functools.partial(self._file.restore, piece))
                    heads.update((kv.key, Head(kv.mod_revision, kv.create_revision)) for kv in piece)
                commit = _run(self._writer, functools.partial(self._file.end_restore, revision))
                commit.add_done_callback(functools.partial(self._restored, heads, revision))
                # Whoever is cancelled now has restored the store all the same.
                await asyncio.shield(commit)
            finally:
                # Done when everything above is over in the writer's thread, also if we were cancelled meanwhile.
                await asyncio.wait([_run(self._writer, self._file.roll_back)])
        return revision

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        async with self._restoring:
            await self._commits.drained()
        self._feeds.end(StoreUnavailable("the store is closed"))
        await self._loop.run_in_executor(self._reader, lambda: None)
        await self._loop.run_in_executor(self._writer, self._file.close)
        self._writer.shutdown(wait=False)
        self._reader.shutdown(wait=False)

    def _require_open(self, *, to_write: bool = False) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if to_write and self._restoring.locked():
            raise StoreUnavailable("the store is being restored")

    async def _check(self, key: str, expected_revision: int) -> None:
        self._require_open(to_write=True)
        head = self._revision_log.head(key)
        if head is not None and head.mod_revision == expected_revision:
            return
        await self._settled(key)
        current = self._look_up(key)
        if current is None or current.mod_revision != expected_revision:
            raise RevisionMismatch(key, expected_revision, current)

    async def _settled(self, key: str, *, to_write: bool = False) -> None:
        """Wait for the writes of `key` that are under way: what they wrote may not be told before it is on disk."""
        await self._commits.settled(key)
        self._require_open(to_write=to_write)

    def _look_up(self, key: str) -> KeyValue | None:
        head = self._revision_log.head(key)
        if head is None:
            return None
        return translated(lambda: self._file.get(key, head.mod_revision), f"cannot read {key}")

    def _done(self, entries: Sequence[Entry]) -> None:
        self._feeds.dispatch([entry.event for entry in entries])
        self._committed = entries[-1].event.mod_revision

    def _restored(self, heads: dict[str, Head], revision: int, commit: asyncio.Future[None]) -> None:
        """The file holds what was restored, unless the commit failed."""
        if commit.exception() is None:
            self._revision_log.replace(heads, revision)
            self._committed = self._compacted = revision
            self._feeds.end(Compacted(revision))


def _run(executor: Executor | None, work: Callable[[], T], what: str = "the store failed") -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(executor, translated, work, what)


def _append(file: SQLiteFile, entries: Sequence[Entry]) -> None:
    translated(functools.partial(file.append, entries), "cannot write")


async def _deliver_past(reader: Executor, file: SQLiteFile, feed: StoreWatch, after: int, until: int) -> None:
    """Give `feed` its events after one revision up to another, in parts, so that it does not hold the loop."""
    while after < until:
        work = functools.partial(file.history, bounds(feed.prefix, ""), after, until, _PAST_PART)
        compacted, events = await _run(reader, work)
        if compacted > after:
            raise Compacted(compacted)
        feed.past(events)
        after = events[-1].mod_revision if len(events) == _PAST_PART else until
