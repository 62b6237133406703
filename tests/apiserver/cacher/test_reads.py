from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from pilothouse.api.codec import json as codec
from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Pod
from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import Compacted, FutureRevision, KeyExists, Range, RevisionMismatch, StoreUnavailable
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import EPOCH, VirtualClock

from .conftest import PODS
from .pods import FORM, change, create, delete, interest, key, paths, pod


async def test_what_was_written_is_read_with_its_version(cache: WatchCache) -> None:
    made = await create(cache, "ns/a", labels="app=web")
    found = await cache.get(key("ns/a"))
    assert found is made
    assert msgspec.json.decode(found.wire)["metadata"] == {
        "name": "a",
        "namespace": "ns",
        "labels": {"app": "web"},
        "resourceVersion": str(made.revision),
    }
    assert found.obj.metadata.resource_version == str(made.revision)
    assert found.obj is cache.peek(key("ns/a")).obj  # type: ignore[union-attr]
    assert codec.decode(found.wire, Pod) == found.obj


async def test_reads_of_nothing(cache: WatchCache) -> None:
    assert cache.peek(key("ns/a")) is None
    assert await cache.get(key("ns/a")) is None
    page = await cache.list(interest())
    assert (page.items, page.revision, page.next_key, page.remaining) == ([], 1, "", -1)


async def test_writes_carry_preconditions(cache: WatchCache) -> None:
    made = await create(cache, "ns/a")
    with pytest.raises(KeyExists):
        await create(cache, "ns/a")
    with pytest.raises(RevisionMismatch):
        await cache.replace(key("ns/a"), b"{}", made.revision - 1)
    with pytest.raises(RevisionMismatch):
        await cache.delete(key("ns/a"), made.revision + 1)
    with pytest.raises(RevisionMismatch):
        await cache.delete(key("ns/none"), 5)
    gone = await delete(cache, "ns/a")
    assert gone.revision == made.revision + 1
    assert gone.obj.metadata.resource_version == str(gone.revision)
    assert await cache.get(key("ns/a")) is None


async def test_lists_are_in_key_order_and_select(cache: WatchCache) -> None:
    await create(cache, "b/x", labels="app=web,tier=1", node="n1", phase="Running")
    await create(cache, "a/y", labels="app=db", node="n1")
    await create(cache, "a-b/z", labels="app=web", node="n2", phase="Running")
    await create(cache, "a/x")
    wanted = {
        ("", "", "", ""): ["a-b/z", "a/x", "a/y", "b/x"],
        ("a", "", "", ""): ["a/x", "a/y"],
        ("a", "y", "", ""): ["a/y"],
        ("", "x", "", ""): ["a/x", "b/x"],
        ("", "", "app=web", ""): ["a-b/z", "b/x"],
        ("", "", "app!=web,app", ""): ["a/y"],
        ("a", "", "app", ""): ["a/y"],
        ("", "", "", "spec.nodeName=n1"): ["a/y", "b/x"],
        ("", "", "app=web", "spec.nodeName=n1,status.phase=Running"): ["b/x"],
        ("", "", "", "status.phase!=Running"): ["a/x", "a/y"],
        ("", "", "", "metadata.name=x"): ["a/x", "b/x"],
        ("", "", "", "metadata.name=x,metadata.namespace=b"): ["b/x"],
        ("", "", "", "metadata.name!=x"): ["a-b/z", "a/y"],
        ("a", "", "", "metadata.namespace=b"): [],
        ("c", "", "", ""): [],
    }
    found = {
        (ns, name, labels, fields): paths((await cache.list(interest(ns, name, labels, fields))).items)
        for ns, name, labels, fields in wanted
    }
    assert found == wanted


async def test_pages_show_one_revision(cache: WatchCache) -> None:
    for name in "abcde":
        await create(cache, f"ns/{name}")
    await create(cache, "other/x")
    first = await cache.list(interest("ns"), limit=2)
    assert (paths(first.items), first.remaining) == (["ns/a", "ns/b"], 3)
    await delete(cache, "ns/c")
    await delete(cache, "ns/e")
    await create(cache, "ns/bb")
    await change(cache, "ns/d", labels="new=1")
    rest = await cache.list(interest("ns"), limit=2, start=first.next_key, revision=first.revision, exact=True)
    assert (paths(rest.items), rest.remaining, rest.revision) == (["ns/c", "ns/d"], 1, first.revision)
    assert rest.items[1].columns.labels == {}
    last = await cache.list(interest("ns"), limit=2, start=rest.next_key, revision=first.revision, exact=True)
    assert (paths(last.items), last.next_key, last.remaining) == (["ns/e"], "", -1)
    assert paths((await cache.list(interest("ns"))).items) == ["ns/a", "ns/b", "ns/bb", "ns/d"]


async def test_what_follows_a_selected_page_is_not_counted(cache: WatchCache) -> None:
    for name in "abc":
        await create(cache, f"ns/{name}", labels="l=1")
    page = await cache.list(interest(labels="l=1"), limit=2)
    assert (page.next_key, page.remaining) == (key("ns/b\0"), -1)
    page = await cache.list(interest(labels="l=1"), limit=3)
    assert page.next_key == ""


async def test_every_past_revision_can_be_listed(cache: WatchCache) -> None:
    """Against a model: the states after each of many random writes, from the window and, past it, from the store."""
    chance = random.Random(7)
    states: dict[int, dict[str, int]] = {1: {}}
    now: dict[str, int] = {}
    for _ in range(200):
        path = f"n{chance.randrange(3)}/p{chance.randrange(12):02}"
        if path not in now:
            now[path] = (await create(cache, path)).revision
            revision = now[path]
        elif chance.random() < 0.5:
            revision = now[path] = (await change(cache, path, labels="v=1")).revision
        else:
            revision = (await delete(cache, path)).revision
            del now[path]
        states[revision] = dict(now)
    for revision, state in states.items():
        for namespace in ("", "n1"):
            expected = sorted(p for p in state if p.startswith(namespace))
            page = await cache.list(interest(namespace), revision=revision, exact=True, limit=5)
            items, seen = list(page.items), len(page.items)
            assert page.remaining == (len(expected) - seen if page.next_key else -1)
            while page.next_key:
                page = await cache.list(
                    interest(namespace), revision=revision, exact=True, limit=5, start=page.next_key
                )
                items += page.items
            assert [(p, i.revision) for p, i in zip(paths(items), items, strict=True)] == [
                (p, state[p]) for p in expected
            ]


async def test_a_revision_older_than_the_ring_comes_from_the_store(
    store: MemoryStore, clock: VirtualClock, scope: TaskScope
) -> None:
    small = WatchCache(store, _with_ring(3), clock, scope)
    first = await create(small, "ns/a")
    for n in range(6):
        await create(small, f"ns/b{n}", labels="l=1")
    page = await small.list(interest(), revision=first.revision + 1, exact=True)
    assert paths(page.items) == ["ns/a", "ns/b0"]
    page = await small.list(interest(labels="l=1"), revision=first.revision + 3, exact=True, limit=2)
    assert (paths(page.items), page.next_key) == (["ns/b0", "ns/b1"], key("ns/b1\0"))
    await store.compact(first.revision + 2)
    with pytest.raises(Compacted):
        await small.list(interest(), revision=first.revision + 1, exact=True)


async def test_a_revision_that_the_store_forgot_is_expired_where_nothing_changed_since(
    store: MemoryStore, cache: WatchCache
) -> None:
    first = await create(cache, "ns/a")
    await store.create("/registry/elsewhere/a", b"{}")
    newest = await store.create("/registry/elsewhere/b", b"{}")
    await cache.get(key("ns/a"))
    assert cache.revision == newest
    assert paths((await cache.list(interest(), revision=first.revision, exact=True)).items) == ["ns/a"]
    await store.compact(newest - 1)
    with pytest.raises(Compacted):
        await cache.list(interest(), revision=first.revision, exact=True)


def _with_ring(records: int):  # type: ignore[no-untyped-def]
    import dataclasses

    return dataclasses.replace(PODS, ring_records=records)


async def test_the_future_is_waited_for_but_not_for_ever(cache: WatchCache, clock: VirtualClock) -> None:
    made = await create(cache, "ns/a")
    with pytest.raises(FutureRevision):
        await cache.get(key("ns/a"), made.revision + 1)
    assert 2.9 < clock.now() - EPOCH < 3.2
    assert await cache.get(key("ns/a"), 0) is made


async def test_a_new_cache_finds_what_is_stored_and_its_history(
    store: MemoryStore, cache: WatchCache, clock: VirtualClock, scope: TaskScope
) -> None:
    made = await create(cache, "ns/a", labels="app=web")
    await change(cache, "ns/a", labels="app=db")
    again = WatchCache(store, PODS, clock, scope)
    assert paths((await again.list(interest(labels="app=db"))).items) == ["ns/a"]
    old = await again.list(interest(), revision=made.revision, exact=True)
    assert old.items[0].columns.labels == {"app": "web"}
    stream = await again.watch(interest(), made.revision)
    assert [c.type for c in await stream.next()] == ["MODIFIED"]


async def test_observers_hear_of_all_there_is_and_of_every_change(cache: WatchCache) -> None:
    first = await create(cache, "ns/a")
    heard = []
    cache.observe(lambda old, new: heard.append((old and old.revision, new and new.revision)))
    second = await change(cache, "ns/a", labels="l=1")
    await delete(cache, "ns/a")
    assert heard == [(None, first.revision), (first.revision, second.revision), (second.revision, None)]


async def test_the_typed_object_of_a_write_is_not_decoded_again(cache: WatchCache) -> None:
    made = pod("ns/a")
    seen = []
    await cache.start()
    cache.observe(lambda old, new: seen.append(new and new.obj))
    item = await cache.create(key("ns/a"), PODS.form.value(made), made)
    assert seen[0] is item.obj
    assert seen[0].spec is made.spec


async def test_indexes_tell_the_same_as_a_look_at_everything(
    cache: WatchCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.apiserver.cacher.snapshot._WORTH_AN_INDEX", 1)
    chance = random.Random(5)
    there: dict[str, tuple[str, str]] = {}
    for _ in range(300):
        path = f"n{chance.randrange(2)}/p{chance.randrange(40):02}"
        label, node = chance.choice(["", "l=1", "l=2", "l=3", "l=4", "l=5"]), chance.choice(["", *"abcdefg"])
        if path in there and chance.random() < 0.3:
            await delete(cache, path)
            del there[path]
        else:
            await (change if path in there else create)(cache, path, labels=label, node=node)
            there[path] = (label, node)
        for namespace in ("", "n1"):
            mine = {p: held for p, held in there.items() if p.startswith(namespace)}
            by_label = await cache.list(interest(namespace, labels="l=1"))
            assert paths(by_label.items) == sorted(p for p, (held, _) in mine.items() if held == "l=1")
            by_field = await cache.list(interest(namespace, fields="spec.nodeName=a"), limit=2)
            assert paths(by_field.items) == sorted(p for p, (_, held) in mine.items() if held == "a")[:2]
    for n in range(20):
        assert (await cache.list(interest(labels=f"other{n}=1"))).items == []
    assert paths((await cache.list(interest(labels="l=1"))).items)


async def test_much_to_load_is_waited_for_but_not_a_store_that_is_away(clock: VirtualClock, scope: TaskScope) -> None:
    class Slow(MemoryStore):
        """Takes a minute for a range, as a large store may."""

        async def range(self, prefix: str, **more: Any) -> Range:  # type: ignore[override]
            await clock.sleep(60)
            return await super().range(prefix, **more)

    slow = Slow()
    await slow.create(key("ns/a"), PODS.form.value(pod("ns/a")))
    assert paths((await WatchCache(slow, PODS, clock, scope).list(interest())).items) == ["ns/a"]
    before = clock.now()
    await slow.close()
    with pytest.raises(StoreUnavailable):
        await WatchCache(slow, PODS, clock, scope).list(interest())
    assert clock.now() - before < 10


def test_what_cannot_be_read_concerns_who_asks_for_it() -> None:
    broken = FORM.of_value(key("ns/a"), b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":5}}', 7)
    for ask in (lambda: broken.obj, lambda: broken.columns):
        with pytest.raises(StatusError, match="unable to decode /registry/pods/ns/a in the store") as raised:
            ask()
        assert raised.value.code == 500
