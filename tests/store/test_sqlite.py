"""What only the SQLite engine has: files, locks, full disks, group commit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pilothouse.seams.store import RevisionMismatch, StoreUnavailable
from pilothouse.store.sqlite import SQLiteStore


@pytest_asyncio.fixture
async def store(tmp_path: pathlib.Path) -> AsyncIterator[SQLiteStore]:
    opened = await SQLiteStore.open(tmp_path / "store.db")
    yield opened
    await opened.close()


def fill_disk(store: SQLiteStore, pages_left: int) -> None:
    (used,) = store._file.writer.execute("PRAGMA page_count").fetchone()
    store._file.writer.execute(f"PRAGMA max_page_count = {used + pages_left}")


async def test_a_full_disk_loses_nothing_and_is_got_over(store: SQLiteStore, tmp_path: pathlib.Path) -> None:
    kept = await store.create("/kept", b"1")
    fill_disk(store, 20)
    acknowledged: dict[str, int] = {"/kept": kept}
    refused = []
    for n in range(0, 64, 8):
        keys = [f"/k/{n + i}" for i in range(8)]
        outcomes = await asyncio.gather(*(store.create(k, b"x" * 3000) for k in keys), return_exceptions=True)
        for key, outcome in zip(keys, outcomes, strict=True):
            if isinstance(outcome, int):
                acknowledged[key] = outcome
            else:
                assert isinstance(outcome, StoreUnavailable)
                assert "full" in str(outcome)
                refused.append(key)
    assert refused
    assert len(acknowledged) > 1
    found = await store.range("/")
    assert {item.key: item.mod_revision for item in found.items} == acknowledged
    assert await store.get(refused[0]) is None
    fill_disk(store, 100_000)
    again = await store.create(refused[0], b"now")
    assert again > max(acknowledged.values())
    await store.replace("/kept", b"2", kept)
    await store.close()
    reopened = await SQLiteStore.open(tmp_path / "store.db")
    assert {item.key for item in (await reopened.range("/")).items} == {*acknowledged, refused[0]}
    await reopened.close()


async def test_what_builds_on_a_failed_write_fails_with_it(store: SQLiteStore) -> None:
    created = await store.create("/a", b"1")
    fill_disk(store, 0)
    # The second write is checked against the first, which is under way, and then does not come about.
    first = asyncio.ensure_future(store.replace("/a", b"x" * 100_000, created))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.ensure_future(store.replace("/a", b"3", created + 1))
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(outcomes[0], StoreUnavailable)
    assert isinstance(outcomes[1], StoreUnavailable | RevisionMismatch)
    found = await store.get("/a")
    assert found is not None
    assert (found.value, found.mod_revision) == (b"1", created)


async def test_a_second_process_is_refused(store: SQLiteStore, tmp_path: pathlib.Path) -> None:
    with pytest.raises(StoreUnavailable, match="in use by another process"):
        await SQLiteStore.open(tmp_path / "store.db")


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_damaged_file_is_told(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"store\.db"):
        await SQLiteStore.open(path)
    path.unlink()
    await (await SQLiteStore.open(path)).close()


async def test_a_revision_that_none_could_follow_is_told(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "store.db"
    store = await SQLiteStore.open(path)
    await store.create("/a", b"b")
    await store.close()
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE log SET revision = 9223372036854775807")
    with pytest.raises(StoreUnavailable, match="claims to have come to revision 9223372036854775807"):
        await SQLiteStore.open(path)


async def test_a_place_that_cannot_be_written_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot open"):
        await SQLiteStore.open(tmp_path / "file" / "store.db")


def modes(folder: pathlib.Path) -> dict[str, int]:
    """What group and others may do with each file."""
    return {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir() if "lock" not in path.name}


async def test_nobody_else_may_read_the_files(store: SQLiteStore, tmp_path: pathlib.Path) -> None:
    await store.create("/secret", b"s")
    assert modes(tmp_path) == {"store.db": 0, "store.db-wal": 0, "store.db-shm": 0}


async def test_writes_of_one_turn_are_one_commit(store: SQLiteStore) -> None:
    calls: list[int] = []
    append = store._file.append

    def counting(entries: object) -> None:
        assert threading.current_thread() is not threading.main_thread()
        calls.append(len(entries))  # type: ignore[arg-type]
        append(entries)  # type: ignore[arg-type]

    store._file.append = counting  # type: ignore[method-assign,assignment]
    await asyncio.gather(*(store.create(f"/{n}", b"x") for n in range(50)))
    assert calls == [50]


async def test_a_slow_disk_does_not_hold_the_loop(store: SQLiteStore) -> None:
    append, slow = store._file.append, threading.Event()

    def waiting(entries: object) -> None:
        assert slow.wait(5)
        append(entries)  # type: ignore[arg-type]

    store._file.append = waiting  # type: ignore[method-assign,assignment]
    write = asyncio.ensure_future(store.create("/a", b"x"))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not write.done()
    slow.set()
    await write


async def test_no_callback_holds_the_loop_under_load(store: SQLiteStore) -> None:
    """Ten thousand writes and a watch from the beginning; the budget is 20 ms, and CI machines stutter."""
    loop = asyncio.get_running_loop()
    worst: list[float] = []

    async def probe() -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            worst.append(time.thread_time() - before)

    class Sink:
        def events(self, batch: object) -> None: ...

        def ended(self, error: object) -> None: ...

    probing = loop.create_task(probe())
    numbers = iter(range(5000))

    async def client() -> None:
        for n in numbers:
            await store.create(f"/k/{n:06}", b"x" * 2000)

    await asyncio.gather(*(client() for _ in range(64)))
    (await store.watch("/", 1, Sink())).close()
    await store.range("/")
    probing.cancel()
    assert sorted(worst)[-2] < 0.020


async def test_compaction_gives_space_back(store: SQLiteStore) -> None:
    revision = await store.create("/a", b"x" * 10_000)
    for _ in range(200):
        revision = await store.replace("/a", b"x" * 10_000, revision)
    await store.compact(revision)
    (rows,) = store._file.reader.execute("SELECT count(*) FROM log").fetchone()
    (free,) = store._file.reader.execute("PRAGMA freelist_count").fetchone()
    assert (rows, free > 200) == (1, True)


async def test_an_interrupted_compaction_is_finished_by_the_next(tmp_path: pathlib.Path) -> None:
    store = await SQLiteStore.open(tmp_path / "store.db")
    revision = await store.create("/a", b"0")
    for n in range(20):
        revision = await store.replace("/a", b"%d" % n, revision)
    gone = await store.delete("/b", await store.create("/b", b""))
    store._file.begin_compaction(revision)
    await store.close()
    store = await SQLiteStore.open(tmp_path / "store.db")
    assert await store.compacted() == revision
    await store.compact(gone)
    rows = store._file.reader.execute("SELECT key, value FROM log").fetchall()
    assert rows == [("/a", b"19")]
    await store.close()


def test_the_file_is_what_it_says(tmp_path: pathlib.Path) -> None:
    """Durability rests on two settings; they are asked of SQLite, not of the code."""

    async def settings() -> tuple[object, object]:
        store = await SQLiteStore.open(tmp_path / "store.db")
        mode = store._file.writer.execute("PRAGMA journal_mode").fetchone()[0]
        synchronous = store._file.writer.execute("PRAGMA synchronous").fetchone()[0]
        await store.close()
        return mode, synchronous

    assert asyncio.run(settings()) == ("wal", 2)
    assert sqlite3.connect(tmp_path / "store.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert os.path.exists(tmp_path / "store.db.lock")
