"""Snapshots of every engine, restored into every engine that can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from pilothouse.seams.store import (
    Compacted,
    KeyExists,
    KeyValue,
    NotRestorable,
    RevisionMismatch,
    Snapshot,
    Store,
    StoreUnavailable,
)
from pilothouse.store.fork import fork
from pilothouse.store.memory import MemoryStore
from pilothouse.store.sqlite import SQLiteStore

from .engines import Collector, Engine


async def held(snapshot: Snapshot) -> list[KeyValue]:
    return [item async for piece in snapshot.pieces() for item in piece]


async def everything(store: Store) -> list[KeyValue]:
    return list((await store.range("")).items)


async def filled(store: Store) -> None:
    first = await store.create("/p/a", b"one")
    await store.replace("/p/a", b"two", first)
    await store.create("/q/b", b"")
    await store.delete("/gone", await store.create("/gone", b"x"))
    await asyncio.gather(*(store.create(f"/many/{n:04}", b"%d" % n) for n in range(1200)))


class Broken:
    """A snapshot whose second piece cannot be read."""

    revision = 1000

    async def pieces(self) -> AsyncIterator[Sequence[KeyValue]]:
        yield [KeyValue("/broken", b"x", 7, 7)]
        raise StoreUnavailable("the disk is gone")

    async def close(self) -> None: ...


class Held:
    """A snapshot whose only piece comes when `go` is set."""

    revision = 1000

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def pieces(self) -> AsyncIterator[Sequence[KeyValue]]:
        self.asked.set()
        await self.go.wait()
        yield [KeyValue("/held", b"x", 7, 8)]

    async def close(self) -> None: ...


async def test_a_snapshot_does_not_change(store: Store) -> None:
    await store.create("/a", b"before")
    snapshot = await store.snapshot()
    before = await held(snapshot)
    assert [item.key for item in before] == ["/a"]
    assert snapshot.revision == before[0].mod_revision == await store.revision()
    await store.replace("/a", b"after", before[0].mod_revision)
    await store.create("/b", b"after")
    assert await held(snapshot) == before
    await snapshot.close()
    await snapshot.close()


async def test_the_snapshot_of_an_empty_store_is_empty(store: Store) -> None:
    snapshot = await store.snapshot()
    assert await held(snapshot) == []
    await snapshot.close()


@pytest.mark.parametrize("into", ["memory", "sqlite"])
async def test_every_engine_takes_what_another_made(engine: Engine, into: str, tmp_path: Path) -> None:
    source = await engine.open()
    await filled(source)
    path = tmp_path / "other" / "store.db"
    other: Store = MemoryStore() if into == "memory" else await SQLiteStore.open(path)
    await other.create("/what/was/there", b"x")
    await fork(source, other)
    snapshot = await source.snapshot()
    stored = await held(snapshot)
    assert len(stored) == 1202
    assert await everything(other) == stored
    assert await other.revision() > max(await source.revision(), 2)
    revision = await other.create("/later", b"")
    assert revision == await other.revision()
    assert await other.get("/what/was/there") is None
    with pytest.raises(KeyExists):
        await other.create("/p/a", b"x")
    assert await everything(source) != await everything(other)
    again = MemoryStore()
    await fork(other, again)
    assert await everything(again) == await everything(other)
    await other.close()
    if into == "sqlite":
        opened = await SQLiteStore.open(path)
        assert [item for item in await everything(opened) if item.key != "/later"] == stored
        assert await opened.revision() == revision
        assert await opened.compacted() == revision - 1
        await opened.close()
    await snapshot.close()
    await source.close()


async def test_an_engine_that_cannot_be_restored_says_so(engine: Engine) -> None:
    store = await engine.open()
    await store.create("/a", b"one")
    before = await everything(store)
    if not engine.restorable:
        with pytest.raises(NotRestorable, match="etcdutl snapshot restore"):
            await store.restore(await store.snapshot())
    assert await everything(store) == before
    await store.close()


async def test_the_history_begins_anew(engine: Engine) -> None:
    if not engine.restorable:
        return
    store = await engine.open()
    first = await store.create("/a", b"one")
    snapshot = await store.snapshot()
    second = await store.replace("/a", b"two", first)
    sink = Collector()
    watch = await store.watch("/", second, sink)
    revision = await store.restore(snapshot)
    await snapshot.close()
    assert revision == await store.revision() == await store.compacted() > second
    ended = await sink.wait_ended()
    assert isinstance(ended, Compacted)
    assert ended.compacted_revision == revision
    with pytest.raises(Compacted):
        await watch.catch_up()
    assert await store.get("/a") == KeyValue("/a", b"one", first, first)
    for old in (first, second):
        with pytest.raises(Compacted):
            await store.range("/", revision=old)
        with pytest.raises(Compacted):
            await store.watch("/", old, Collector())
    assert list((await store.range("/", revision=revision)).items) == [KeyValue("/a", b"one", first, first)]
    with pytest.raises(RevisionMismatch):
        await store.replace("/a", b"three", second)
    after = Collector()
    going_on = await store.watch("/", revision, after)
    third = await store.replace("/a", b"three", first)
    fourth = await store.delete("/a", third)
    await store.compact(fourth)
    assert [(e.mod_revision, e.create_revision) for e in await after.caught_up(going_on)] == [
        (third, first),
        (fourth, 0),
    ]
    assert sink.seen == []
    assert await everything(store) == []
    await store.close()


async def test_a_restore_that_fails_changes_nothing(engine: Engine) -> None:
    if not engine.restorable:
        return
    store = await engine.open()
    await filled(store)
    before, sink = await everything(store), Collector()
    watch = await store.watch("/", await store.revision(), sink)
    with pytest.raises(StoreUnavailable, match="the disk is gone"):
        await store.restore(Broken())
    assert await everything(store) == before
    revision = await store.create("/later", b"")
    assert [e.mod_revision for e in await sink.caught_up(watch)] == [revision]
    await store.close()


async def test_meanwhile_reads_find_the_old_state_and_writes_are_refused(engine: Engine) -> None:
    if not engine.restorable:
        return
    store = await engine.open()
    first = await store.create("/a", b"one")
    snapshot = Held()
    work = asyncio.ensure_future(store.restore(snapshot))
    await snapshot.asked.wait()
    assert await store.get("/a") == KeyValue("/a", b"one", first, first)
    refused = [
        store.create("/b", b""),
        store.replace("/a", b"", first),
        store.delete("/a", first),
        store.compact(first),
        store.restore(Broken()),
    ]
    for write in refused:
        with pytest.raises(StoreUnavailable, match="restored"):
            await write
    snapshot.go.set()
    assert await work == snapshot.revision + 1
    assert await everything(store) == [KeyValue("/held", b"x", 7, 8)]
    await store.close()


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_a_restore_that_is_cut_short_changes_nothing(engine: Engine, how: str) -> None:
    if not engine.restorable:
        return
    store = await engine.open()
    await store.create("/a", b"one")
    before, snapshot = await everything(store), Held()
    work = asyncio.ensure_future(store.restore(snapshot))
    await snapshot.asked.wait()
    if how == "cancel":
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert await everything(store) == before
        await store.create("/b", b"")
        await store.close()
        return
    closing = asyncio.ensure_future(store.close())
    await asyncio.sleep(0)
    snapshot.go.set()
    with pytest.raises(StoreUnavailable):
        await work
    await closing
    if engine.durable:
        store = await engine.open()
        assert await everything(store) == before
        await store.close()


async def test_a_snapshot_outlives_its_store(engine: Engine) -> None:
    if not engine.restorable:
        return
    store = await engine.open()
    await filled(store)
    before = await everything(store)
    snapshot = await store.snapshot()
    await store.close()
    other = MemoryStore()
    await other.restore(snapshot)
    assert [item.key for item in await everything(other)] == [item.key for item in before]
    await snapshot.close()


async def test_snapshots_of_encrypted_stores_hold_no_plain_value(engine: Engine) -> None:
    store = await engine.open()
    await store.create("/p/secret", b"a password")
    snapshot = await store.snapshot()
    found = (await held(snapshot))[0].value
    opened = await store.get("/p/secret")
    assert opened is not None
    assert opened.value == b"a password"
    assert (found == b"a password") == (type(store).__name__ != "EncryptedStore")
    await snapshot.close()
    await store.close()
