from __future__ import annotations

import asyncio
import contextlib

import pytest

from pilothouse.seams.store import KeyExists, KeyValue, RevisionMismatch, Store, StoreUnavailable

from .engines import Collector, Engine

durable = pytest.mark.parametrize("engine", ["sqlite", "etcd"], indirect=True)
"""Not for the memory engine, which forgets."""


async def test_a_new_store_has_a_revision_and_nothing_else(store: Store) -> None:
    assert await store.revision() >= 1
    assert await store.get("/a") is None
    assert (await store.range("/")).items == []


async def test_create_then_get(store: Store) -> None:
    before = await store.revision()
    revision = await store.create("/a", b"one")
    assert revision > before
    assert await store.revision() == revision
    assert await store.get("/a") == KeyValue("/a", b"one", revision, revision)


async def test_create_of_what_exists_tells_what_is_there(store: Store) -> None:
    revision = await store.create("/a", b"one")
    with pytest.raises(KeyExists) as caught:
        await store.create("/a", b"two")
    assert caught.value.current == KeyValue("/a", b"one", revision, revision)
    assert await store.revision() == revision


async def test_replace_keeps_the_create_revision(store: Store) -> None:
    created = await store.create("/a", b"one")
    replaced = await store.replace("/a", b"two", created)
    assert replaced > created
    assert await store.get("/a") == KeyValue("/a", b"two", created, replaced)


async def test_replace_at_another_revision_changes_nothing(store: Store) -> None:
    created = await store.create("/a", b"one")
    replaced = await store.replace("/a", b"two", created)
    with pytest.raises(RevisionMismatch) as caught:
        await store.replace("/a", b"three", created)
    assert caught.value.current == KeyValue("/a", b"two", created, replaced)
    assert (await store.revision(), caught.value.expected) == (replaced, created)


async def test_replace_and_delete_of_nothing(store: Store) -> None:
    for write in (store.replace("/a", b"one", 5), store.delete("/a", 5)):
        with pytest.raises(RevisionMismatch) as caught:
            await write
        assert caught.value.current is None


async def test_delete_and_create_again(store: Store) -> None:
    created = await store.create("/a", b"one")
    with pytest.raises(RevisionMismatch):
        await store.delete("/a", created + 1)
    deleted = await store.delete("/a", created)
    assert deleted > created
    assert await store.get("/a") is None
    again = await store.create("/a", b"two")
    assert await store.get("/a") == KeyValue("/a", b"two", again, again)
    assert again > deleted


async def test_values_and_keys_of_every_kind(store: Store) -> None:
    values = {"/e": b"", "/z": bytes(range(256)), "/big": b"x" * 1_400_000, "/ä/ö": b"u", "/a b%_'\"": b"q"}
    for key, value in values.items():
        await store.create(key, value)
    assert {key: found.value for key in values if (found := await store.get(key))} == values
    assert {item.key: item.value for item in (await store.range("/")).items} == values


async def test_one_of_many_concurrent_creates_wins(store: Store) -> None:
    outcomes = await asyncio.gather(*(store.create("/a", b"%d" % n) for n in range(20)), return_exceptions=True)
    won = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, int)]
    assert len(won) == 1
    found = await store.get("/a")
    assert found is not None
    assert found.value == b"%d" % won[0]
    for outcome in outcomes:
        assert isinstance(outcome, int) or (isinstance(outcome, KeyExists) and outcome.current == found)


async def test_concurrent_counters_lose_nothing(store: Store) -> None:
    await store.create("/n", b"0")

    async def count(times: int) -> list[int]:
        revisions = []
        while len(revisions) < times:
            found = await store.get("/n")
            assert found is not None
            with contextlib.suppress(RevisionMismatch):
                revisions.append(await store.replace("/n", b"%d" % (int(found.value) + 1), found.mod_revision))
        return revisions

    all_revisions = await asyncio.gather(*(count(5) for _ in range(4)))
    found = await store.get("/n")
    assert found is not None
    assert found.value == b"20"
    assert len({r for revisions in all_revisions for r in revisions}) == 20
    assert all(revisions == sorted(revisions) for revisions in all_revisions)


async def test_many_writes_of_one_turn_each_have_a_revision(store: Store) -> None:
    revisions = await asyncio.gather(*(store.create(f"/many/{n:03}", b"x") for n in range(300)))
    assert len(set(revisions)) == 300
    assert (await store.range("/many/")).total == 300


async def test_a_closed_store_refuses_everything(engine: Engine) -> None:
    store = await engine.open()
    revision = await store.create("/a", b"one")
    sink = Collector()
    watch = await store.watch("/", revision, sink)
    await store.close()
    await store.close()
    assert isinstance(await sink.wait_ended(), StoreUnavailable)
    refused = [
        store.get("/a"),
        store.range("/"),
        store.revision(),
        store.compacted(),
        store.create("/b", b""),
        store.replace("/a", b"", revision),
        store.delete("/a", revision),
        store.watch("/", revision, Collector()),
        store.compact(revision),
        watch.catch_up(),
    ]
    for work in refused:
        with pytest.raises(StoreUnavailable):
            await work


async def test_close_finishes_what_was_begun(engine: Engine) -> None:
    store = await engine.open()
    writes = [asyncio.ensure_future(store.create(f"/{n}", b"x")) for n in range(10)]
    await asyncio.sleep(0)
    await store.close()
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(outcome, int | StoreUnavailable) for outcome in outcomes)
    if engine.durable:
        store = await engine.open()
        acknowledged = {f"/{n}" for n, outcome in enumerate(outcomes) if isinstance(outcome, int)}
        assert acknowledged <= {item.key for item in (await store.range("/")).items}
        await store.close()


@durable
async def test_all_is_there_after_a_restart(engine: Engine) -> None:
    store = await engine.open()
    created = await store.create("/a", b"one")
    replaced = await store.replace("/a", b"two", created)
    gone = await store.delete("/b", await store.create("/b", b"gone"))
    await store.close()
    store = await engine.open()
    assert await store.revision() >= gone
    assert await store.get("/a") == KeyValue("/a", b"two", created, replaced)
    assert await store.get("/b") is None
    sink = Collector()
    watch = await store.watch("/", created, sink)
    seen = await sink.caught_up(watch)
    assert [(e.key, e.value) for e in seen] == [("/a", b"two"), ("/b", b"gone"), ("/b", None)]
    with pytest.raises(RevisionMismatch):
        await store.replace("/a", b"three", created)
    assert await store.create("/c", b"") > gone
    await store.close()


@durable
async def test_revisions_grow_over_restarts_even_if_all_is_compacted(engine: Engine) -> None:
    last = 0
    for _ in range(3):
        store = await engine.open()
        revision = await store.create("/a", b"")
        assert revision > last
        last = await store.delete("/a", revision)
        await store.compact(last)
        await store.close()
