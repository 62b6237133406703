from __future__ import annotations

import asyncio

import pytest

from pilothouse.seams.store import Compacted, FutureRevision, KeyValue, Range, Store


def keys(found: Range) -> list[str]:
    return [item.key for item in found.items]


async def fill(store: Store, *names: str) -> dict[str, int]:
    return {name: await store.create(name, name.encode()) for name in names}


async def test_a_range_is_a_prefix_in_key_order(store: Store) -> None:
    made = await fill(store, "/p/b", "/p/a/x", "/p/a-b", "/p/ä", "/pods", "/o", "/p")
    found = await store.range("/p/")
    assert keys(found) == ["/p/a-b", "/p/a/x", "/p/b", "/p/ä"]
    assert found.items[0] == KeyValue("/p/a-b", b"/p/a-b", made["/p/a-b"], made["/p/a-b"])
    assert (found.more, found.total, found.revision) == (False, 4, await store.revision())
    assert keys(await store.range("/p")) == ["/p", "/p/a-b", "/p/a/x", "/p/b", "/p/ä", "/pods"]
    assert len(keys(await store.range(""))) == 7


async def test_start_and_limit(store: Store) -> None:
    await fill(store, *(f"/k/{n}" for n in range(10)))
    first = await store.range("/k/", limit=4)
    assert (keys(first), first.more, first.total) == (["/k/0", "/k/1", "/k/2", "/k/3"], True, 10)
    rest = await store.range("/k/", start="/k/3\0", limit=6)
    assert (keys(rest)[0], rest.more, rest.total) == ("/k/4", False, 6)
    assert keys(await store.range("/k/", start="/k/4", limit=1)) == ["/k/4"]
    assert keys(await store.range("/k/", start="/a")) == [f"/k/{n}" for n in range(10)]
    assert keys(await store.range("/k/", start="/l")) == []


async def test_pages_at_a_revision_do_not_see_later_writes(store: Store) -> None:
    made = await fill(store, "/k/a", "/k/b", "/k/c")
    first = await store.range("/k/", limit=1)
    await store.replace("/k/b", b"changed", made["/k/b"])
    await store.delete("/k/c", made["/k/c"])
    await store.create("/k/bb", b"new")
    rest = await store.range("/k/", start="/k/a\0", revision=first.revision)
    assert [(i.key, i.value, i.mod_revision) for i in rest.items] == [
        ("/k/b", b"/k/b", made["/k/b"]),
        ("/k/c", b"/k/c", made["/k/c"]),
    ]
    assert rest.revision == first.revision
    assert keys(await store.range("/k/")) == ["/k/a", "/k/b", "/k/bb"]


async def test_a_deleted_and_recreated_key_at_each_revision(store: Store) -> None:
    one = await store.create("/a", b"1")
    gone = await store.delete("/a", one)
    two = await store.create("/a", b"2")
    at = {revision: (await store.range("/", revision=revision)).items for revision in (one, gone, two)}
    assert at == {one: [KeyValue("/a", b"1", one, one)], gone: [], two: [KeyValue("/a", b"2", two, two)]}


async def test_the_future_is_refused(store: Store) -> None:
    now = await store.revision()
    with pytest.raises(FutureRevision) as caught:
        await store.range("/", revision=now + 1)
    assert caught.value.current_revision == now
    with pytest.raises(FutureRevision):
        await store.compact(now + 1)


async def test_compaction_forgets_what_is_older(store: Store) -> None:
    one = await store.create("/a", b"1")
    two = await store.replace("/a", b"2", one)
    three = await store.replace("/a", b"3", two)
    gone = await store.delete("/b", await store.create("/b", b"b"))
    kept = await store.create("/c", b"c")
    assert await store.compacted() < one
    await store.compact(three)
    assert await store.compacted() == three
    with pytest.raises(Compacted) as caught:
        await store.range("/", revision=two)
    assert caught.value.compacted_revision == three
    assert [i.value for i in (await store.range("/", revision=three)).items] == [b"3"]
    assert [i.key for i in (await store.range("/", revision=gone - 1)).items] == ["/a", "/b"]
    assert await store.get("/a") == KeyValue("/a", b"3", one, three)
    with pytest.raises(Compacted):
        await store.compact(two)
    await store.compact(kept)
    assert keys(await store.range("/")) == ["/a", "/c"]
    assert await store.revision() == kept


async def test_ranges_among_writes_are_snapshots(store: Store) -> None:
    """Two keys are always written one after the other with the same number: no range sees the second ahead."""
    a, b = await store.create("/a", b"0"), await store.create("/b", b"0")

    async def write() -> None:
        nonlocal a, b
        for n in range(1, 30):
            a = await store.replace("/a", b"%d" % n, a)
            b = await store.replace("/b", b"%d" % n, b)

    writer = asyncio.create_task(write())
    while not writer.done():
        found = await store.range("/")
        first, second = (int(item.value) for item in found.items)
        assert first in (second, second + 1)
        assert all(item.mod_revision <= found.revision for item in found.items)
        await asyncio.sleep(0)
    await writer
