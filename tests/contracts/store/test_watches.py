from __future__ import annotations

import asyncio

import pytest

from pilothouse.seams.store import Compacted, Event, Store

from .engines import Collector


async def test_a_watch_sees_every_change_once_in_order(store: Store) -> None:
    sink = Collector()
    watch = await store.watch("/p/", await store.revision(), sink)
    created = await store.create("/p/a", b"1")
    await store.create("/q/a", b"other")
    replaced = await store.replace("/p/a", b"2", created)
    deleted = await store.delete("/p/a", replaced)
    assert await sink.caught_up(watch) == [
        Event("/p/a", b"1", created, created),
        Event("/p/a", b"2", created, replaced),
        Event("/p/a", None, 0, deleted),
    ]
    watch.close()


async def test_a_watch_from_the_past(store: Store) -> None:
    first = await store.create("/a", b"1")
    second = await store.replace("/a", b"2", first)
    third = await store.create("/b", b"3")
    pairs = []
    for after, expected in ((first - 1, [first, second, third]), (second, [third]), (third, [])):
        sink = Collector()
        watch = await store.watch("/", after, sink)
        assert [e.mod_revision for e in await sink.caught_up(watch)] == expected
        pairs.append((sink, watch))
    later = await store.create("/later", b"")
    for sink, watch in pairs:
        assert [e.mod_revision for e in await sink.caught_up(watch)] == [later]
        watch.close()


async def test_catch_up_tells_a_revision_that_is_reached(store: Store) -> None:
    sink = Collector()
    watch = await store.watch("/none/", await store.revision(), sink)
    written = await store.create("/a", b"")
    assert await watch.catch_up() >= written
    watch.close()


async def test_a_watch_from_the_future_waits_for_it(store: Store) -> None:
    now = await store.revision()
    sink = Collector()
    watch = await store.watch("/", now + 2, sink)
    for name in ("/a", "/b", "/c"):
        await store.create(name, b"")
    assert [e.key for e in await sink.caught_up(watch)] == ["/c"]
    watch.close()


async def test_a_closed_watch_is_silent(store: Store) -> None:
    sink, other = Collector(), Collector()
    watch = await store.watch("/", await store.revision(), sink)
    still = await store.watch("/", await store.revision(), other)
    watch.close()
    watch.close()
    await store.create("/a", b"")
    assert [e.key for e in await other.caught_up(still)] == ["/a"]
    assert (sink.seen, sink.error) == ([], None)
    still.close()


async def test_prefixes_are_text(store: Store) -> None:
    sinks = {prefix: Collector() for prefix in ("", "/", "/p", "/p/", "/p/a", "/p/a/", "/q")}
    now = await store.revision()
    watches = {prefix: await store.watch(prefix, now, sink) for prefix, sink in sinks.items()}
    for key in ("/p/a", "/p/a/x", "/pods", "/o"):
        await store.create(key, b"")
    seen = {prefix: [e.key for e in await sinks[prefix].caught_up(watch)] for prefix, watch in watches.items()}
    every = ["/p/a", "/p/a/x", "/pods", "/o"]
    assert seen == {
        "": every,
        "/": every,
        "/p": every[:3],
        "/p/": every[:2],
        "/p/a": every[:2],
        "/p/a/": every[1:2],
        "/q": [],
    }
    for watch in watches.values():
        watch.close()


async def test_what_was_compacted_cannot_be_watched(store: Store) -> None:
    first = await store.create("/a", b"1")
    second = await store.replace("/a", b"2", first)
    third = await store.replace("/a", b"3", second)
    await store.compact(second)
    with pytest.raises(Compacted) as caught:
        await store.watch("/", first - 1, Collector())
    assert caught.value.compacted_revision == second
    sink = Collector()
    watch = await store.watch("/", second, sink)
    assert [e.mod_revision for e in await sink.caught_up(watch)] == [third]
    watch.close()


async def test_watches_started_among_writes_miss_and_double_nothing(store: Store) -> None:
    base = await store.revision()
    started = asyncio.Event()

    async def write() -> list[int]:
        made = []
        for n in range(200):
            made.append(await store.create(f"/w/{n:04}", b"%d" % n))
            if n == 20:
                started.set()
        return made

    writer = asyncio.create_task(write())
    await started.wait()
    pairs = []
    for _ in range(10):
        sink = Collector()
        pairs.append((sink, await store.watch("/w/", base, sink)))
    made = await writer
    for sink, watch in pairs:
        assert [e.mod_revision for e in await sink.caught_up(watch)] == made
        watch.close()


async def test_a_write_is_seen_before_it_is_acknowledged_or_by_catch_up(store: Store) -> None:
    sink = Collector()
    watch = await store.watch("/", await store.revision(), sink)
    for n in range(20):
        revision = await store.create(f"/{n}", b"")
        assert [e.mod_revision for e in await sink.caught_up(watch)] == [revision]
    watch.close()
