"""The SQLite file: tables and statements. Blocking; the engine calls it from threads.

One table is the whole history: a row a write. The newest row of a key that is not a deletion is the key's value;
`previous` is the row it made obsolete, which is what compaction removes. The index covers what is asked without values.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pilothouse.seams.store import Event, KeyValue, StoreUnavailable
from pilothouse.store.revision_log import FIRST_REVISION, Entry, Head

T = TypeVar("T")

# A batch is one statement, so that its thread needs the interpreter once, not once a row; SQLite keeps it compiled.
BATCH_LIMIT = 128
_COLUMNS = 5
_SWEEP_ROWS = 2000
_LAST_REVISION = 1 << 62
_READ_ROWS = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    create_revision INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    value BLOB
);
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON log (key, revision, create_revision);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('format', 1), ('compacted', 0), ('swept', 0);
"""
# The newest row of each key as of a revision; SQLite takes the other columns from the row that has the maximum.
_NEWEST = "SELECT key, max(revision) AS newest, create_revision FROM log {where} GROUP BY key"


class SQLiteFile:
    """One open database. `writer` is used by one thread at a time, each reader likewise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[sqlite3.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open.append(_lock(path))
            # The journal files of SQLite take over the mode of the database: secrets lie in them.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self.writer = self.connect()
            self.writer.executescript("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
            self.reader = self.connect()
            self.looker = self.connect()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise StoreUnavailable(f"cannot open the store {path}: {error}") from error

    def connect(self) -> sqlite3.Connection:
        """One more connection, closed with the others."""
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=2 * BATCH_LIMIT
        )
        self._open.append(connection)
        connection.executescript("PRAGMA synchronous = FULL; PRAGMA cache_size = -4000; PRAGMA busy_timeout = 5000;")
        return connection

    def snapshot(self) -> tuple[sqlite3.Connection, int]:
        """A connection of its own that goes on seeing the database as it is now, and the revision that this is."""
        connection = self.connect()
        self._open.remove(connection)
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            connection.execute("BEGIN")
            revision = _newest_revision(connection)
            undo.pop_all()
        return connection, revision

    def close(self) -> None:
        """Close everything, the lock last."""
        while self._open:
            self._open.pop().close()

    def heads(self) -> Iterator[tuple[str, Head]]:
        """Every key that exists."""
        for key, newest, created in self.reader.execute(_NEWEST.format(where="")):
            if created:
                yield key, Head(newest, created)

    def newest_revision(self) -> int:
        """The largest revision ever used, also by rows that are compacted away. Raises StoreUnavailable for one that no
        store could have come to: others could not follow it."""
        newest = _newest_revision(self.writer)
        if newest > _LAST_REVISION:
            raise StoreUnavailable(f"the store {self.path} is damaged: it claims to have come to revision {newest}")
        return newest

    def meta(self, name: str) -> int:
        (number,) = self.writer.execute("SELECT number FROM meta WHERE name = ?", (name,)).fetchone()
        return int(number)

    def append(self, entries: Sequence[Entry]) -> None:
        """Write a batch (at most BATCH_LIMIT) in one transaction; on disk when this returns."""
        values: list[object] = []
        for event, _ in entries:
            values += (event.mod_revision, event.key, event.create_revision, 0, event.value)
        for index, entry in enumerate(entries):
            values[index * _COLUMNS + 3] = entry.previous_revision
        self.writer.execute(_insert(len(entries)), values)

    def get(self, key: str, revision: int) -> KeyValue | None:
        """The value of `key` that was written at `revision`. For the loop's thread: one row by its number."""
        row = self.looker.execute(
            "SELECT create_revision, value FROM log WHERE revision = ? AND key = ?", (revision, key)
        ).fetchone()
        return KeyValue(key, row[1], row[0], revision) if row is not None else None

    def range(self, bounds: tuple[str, str], limit: int, revision: int) -> tuple[int, list[KeyValue], int]:
        """(revision of the last compaction, items, number of keys) in one snapshot."""
        self.reader.execute("BEGIN")
        try:
            (compacted,) = self.reader.execute("SELECT number FROM meta WHERE name = 'compacted'").fetchone()
            items = select(self.reader, bounds, limit, revision)
            total = len(items)
            if 0 < limit <= total:
                heads, values = _heads(bounds, revision)
                (total,) = self.reader.execute(f"SELECT count(*) FROM ({heads})", values).fetchone()
        finally:
            self.reader.execute("COMMIT")
        return int(compacted), items, int(total)

    def history(self, bounds: tuple[str, str], after: int, until: int, limit: int) -> tuple[int, list[Event]]:
        """(revision of the last compaction, the first `limit` events after one revision and up to another), in one
        snapshot."""
        first, end = bounds
        self.reader.execute("BEGIN")
        try:
            (compacted,) = self.reader.execute("SELECT number FROM meta WHERE name = 'compacted'").fetchone()
            rows = self.reader.execute(
                "SELECT key, value, create_revision, revision FROM log WHERE revision IN (SELECT revision "
                "FROM log INDEXED BY by_key WHERE revision > :after AND revision <= :until AND key >= :first"
                + (" AND key < :end" if end else "")
                + " ORDER BY revision LIMIT :limit) ORDER BY revision",
                {"after": after, "until": until, "first": first, "end": end, "limit": limit},
            )
            events = [Event(*row) for row in rows]
        finally:
            self.reader.execute("COMMIT")
        return int(compacted), events

    def begin_compaction(self, revision: int) -> None:
        """From now on nothing older than `revision` may be read; `sweep` removes it."""
        self.writer.execute("UPDATE meta SET number = ? WHERE name = 'compacted'", (revision,))

    def sweep(self) -> bool:
        """Remove a part of what was compacted, in a transaction; False when there is no more to remove."""
        compacted, swept = self.meta("compacted"), self.meta("swept")
        if swept >= compacted:
            return False
        window = {"low": swept, "high": min(swept + _SWEEP_ROWS, compacted)}
        self.writer.execute("BEGIN IMMEDIATE")
        try:
            self.writer.execute(
                "DELETE FROM log WHERE revision IN "
                "(SELECT previous FROM log WHERE revision > :low AND revision <= :high AND previous > 0)",
                window,
            )
            self.writer.execute(
                "DELETE FROM log WHERE revision > :low AND revision <= :high AND create_revision = 0", window
            )
            self.writer.execute("UPDATE meta SET number = :high WHERE name = 'swept'", {"high": window["high"]})
            self.writer.execute("COMMIT")
        except sqlite3.Error:
            self.roll_back()
            raise
        return window["high"] < compacted

    def begin_restore(self) -> None:
        """Remove everything, in a transaction that `end_restore` ends; everybody else still sees what was there."""
        self.writer.execute("BEGIN IMMEDIATE")
        self.writer.execute("DELETE FROM log")

    def restore(self, items: Sequence[KeyValue]) -> None:
        """Take in a part of another store."""
        for first in range(0, len(items), BATCH_LIMIT):
            part = items[first : first + BATCH_LIMIT]
            values = [v for kv in part for v in (kv.mod_revision, kv.key, kv.create_revision, 0, kv.value)]
            self.writer.execute(_insert(len(part)), values)

    def end_restore(self, revision: int) -> None:
        """All of it is there, and counts as compacted at `revision`; on disk when this returns."""
        self.writer.execute("UPDATE meta SET number = ? WHERE name IN ('compacted', 'swept')", (revision,))
        self.writer.execute("COMMIT")

    def roll_back(self) -> None:
        """Leave a transaction that failed half way, if SQLite has not done so itself."""
        if self.writer.in_transaction:
            self.writer.execute("ROLLBACK")


def _newest_revision(connection: sqlite3.Connection) -> int:
    (newest,) = connection.execute(
        "SELECT max(coalesce((SELECT max(revision) FROM log), 0), number) FROM meta WHERE name = 'compacted'"
    ).fetchone()
    return max(int(newest), FIRST_REVISION)


def _heads(bounds: tuple[str, str], revision: int) -> tuple[str, dict[str, object]]:
    """The statement that finds the newest row of each key in a range as of a revision, and its values."""
    first, end = bounds
    where = "WHERE key >= :first AND revision <= :at" + (" AND key < :end" if end else "")
    # HAVING looks at the newest row of a key, and leaves out those that are deletions.
    return _NEWEST.format(where=where) + " HAVING create_revision > 0", {"first": first, "end": end, "at": revision}


def select(connection: sqlite3.Connection, bounds: tuple[str, str], limit: int, revision: int) -> list[KeyValue]:
    """The keys in a range as they were at a revision, in order, at most `limit` (0: all)."""
    heads, values = _heads(bounds, revision)
    cursor = connection.execute(
        "SELECT heads.key, value, log.create_revision, newest "
        f"FROM ({heads} ORDER BY key LIMIT :limit) AS heads JOIN log ON revision = newest ORDER BY heads.key",
        {**values, "limit": limit if limit > 0 else -1},
    )
    items: list[KeyValue] = []
    while rows := cursor.fetchmany(_READ_ROWS):
        items += [KeyValue(*row) for row in rows]
    return items


def translated(work: Callable[[], T], what: str) -> T:
    """`work`, with SQLite's errors told as StoreUnavailable."""
    try:
        return work()
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{what}: {error}") from error


def purge(path: Path) -> None:
    """Leave nothing on the disk of what was deleted or compacted, in a store that is open: the file is written anew and
    the journal emptied. Blocks, and holds up writers meanwhile. Raises StoreUnavailable."""

    def work() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30.0)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    translated(work, f"cannot write the store {path} anew")


def _insert(rows: int) -> str:
    return "INSERT INTO log (revision, key, create_revision, previous, value) VALUES " + ",".join(
        ["(?,?,?,?,?)"] * rows
    )


def _lock(path: Path) -> sqlite3.Connection:
    """Hold the store for this process: a database whose exclusive transaction never ends, and ends with the process."""
    connection = sqlite3.connect(f"{path}.lock", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if "locked" not in str(error):
            raise
        raise StoreUnavailable(f"the store {path} is in use by another process") from error
    return connection
