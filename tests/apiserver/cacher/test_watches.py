from __future__ import annotations

import asyncio
import dataclasses
import random

import pytest

from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.cacher.caches import Caches
from pilothouse.apiserver.cacher.fanout import Stream
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import Compacted, StoreUnavailable
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock

from .conftest import PODS
from .pods import change, create, delete, interest, key, paths, taken, told


async def test_changes_come_in_order_and_encoded(cache: WatchCache) -> None:
    stream = await cache.watch(interest("ns"), 1)
    made = await create(cache, "ns/a")
    await create(cache, "other/a")
    changed = await change(cache, "ns/a", labels="l=1")
    gone = await delete(cache, "ns/a")
    changes = await stream.next()
    assert told(changes) == [("ADDED", "ns/a"), ("MODIFIED", "ns/a"), ("DELETED", "ns/a")]
    assert [c.revision for c in changes] == [made.revision, changed.revision, gone.revision]
    assert changes[0].frame == b'{"type":"ADDED","object":' + made.wire + b"}\n"
    assert changes[2].frame == b'{"type":"DELETED","object":' + gone.wire + b"}\n"
    assert changes[2].item is not None
    assert changes[2].item.columns.labels == {"l": "1"}
    assert stream.revision == gone.revision
    stream.close()
    assert cache.watchers == 0


async def test_objects_enter_and_leave_a_selection(cache: WatchCache) -> None:
    by_label = await cache.watch(interest(labels="in=yes"), 1)
    by_field = await cache.watch(interest(fields="status.phase=Running"), 1)
    by_absence = await cache.watch(interest(labels="!in"), 1)
    await create(cache, "ns/a", labels="in=no")
    entered = await change(cache, "ns/a", labels="in=yes", phase="Running")
    stayed = await change(cache, "ns/a", labels="in=yes,more=1", phase="Running")
    left = await change(cache, "ns/a", phase="Failed")
    await delete(cache, "ns/a")
    for stream in (by_label, by_field):
        changes = await stream.next()
        assert told(changes) == [("ADDED", "ns/a"), ("MODIFIED", "ns/a"), ("DELETED", "ns/a")]
        assert [c.revision for c in changes] == [entered.revision, stayed.revision, left.revision]
        assert changes[2].item is not None
        assert changes[2].item.columns.labels == {"in": "yes", "more": "1"}
        assert changes[2].item.obj.metadata.resource_version == str(left.revision)
    assert told(await by_absence.next()) == [("ADDED", "ns/a"), ("DELETED", "ns/a")]


async def test_a_pod_that_gets_a_node_is_added_for_that_node(cache: WatchCache) -> None:
    n1 = await cache.watch(interest(fields="spec.nodeName=n1"), 1)
    n2 = await cache.watch(interest(fields="spec.nodeName=n2"), 1)
    none = await cache.watch(interest(fields="spec.nodeName="), 1)
    await create(cache, "ns/a")
    await change(cache, "ns/a", node="n1")
    await change(cache, "ns/a", node="n1", phase="Running")
    assert told(await n1.next()) == [("ADDED", "ns/a"), ("MODIFIED", "ns/a")]
    assert told(await none.next()) == [("ADDED", "ns/a"), ("DELETED", "ns/a")]
    assert await taken(n2) == []


async def test_a_watch_resumes_where_it_left(cache: WatchCache) -> None:
    revisions = [(await create(cache, f"ns/{n}")).revision for n in range(5)]
    for index, revision in enumerate(revisions):
        stream = await cache.watch(interest(), revision)
        assert told(await taken(stream)) == [("ADDED", f"ns/{n}") for n in range(index + 1, 5)]


async def test_initial_state_then_a_bookmark(cache: WatchCache) -> None:
    await create(cache, "ns/b", labels="w=1")
    await create(cache, "ns/a", labels="w=1")
    last = await create(cache, "ns/c")
    stream = await cache.watch(interest(labels="w=1"), -1, initial=True)
    await create(cache, "ns/d", labels="w=1")
    changes = await stream.next()
    assert told(changes) == [("ADDED", "ns/a"), ("ADDED", "ns/b"), ("BOOKMARK", ""), ("ADDED", "ns/d")]
    assert changes[2].revision == last.revision


async def test_a_watch_of_the_future_stays_quiet_until_then(cache: WatchCache) -> None:
    now = (await create(cache, "ns/a")).revision
    stream = await cache.watch(interest(), now + 2)
    for name in "bcd":
        await create(cache, f"ns/{name}")
    assert told(await taken(stream)) == [("ADDED", "ns/d")]


async def test_a_stream_knows_how_far_it_stands(cache: WatchCache) -> None:
    stream = await cache.watch(interest("ns"), 1)
    made = await create(cache, "ns/a")
    later = await create(cache, "other/b")
    assert stream.revision == 1
    await stream.next()
    assert made.revision < stream.revision == later.revision


async def test_what_the_ring_has_forgotten_is_refused(
    store: MemoryStore, clock: VirtualClock, scope: TaskScope
) -> None:
    cache = WatchCache(store, dataclasses.replace(PODS, ring_records=3), clock, scope)
    revisions = [(await create(cache, f"ns/{n}")).revision for n in range(6)]
    with pytest.raises(Compacted) as caught:
        await cache.watch(interest(), revisions[1])
    assert caught.value.compacted_revision == revisions[2]
    stream = await cache.watch(interest(), revisions[2])
    assert told(await taken(stream)) == [("ADDED", f"ns/{n}") for n in (3, 4, 5)]


async def test_who_is_too_slow_is_cut_off_and_others_are_not(
    store: MemoryStore, clock: VirtualClock, scope: TaskScope
) -> None:
    cache = WatchCache(store, dataclasses.replace(PODS, ring_records=10), clock, scope)
    slow = await cache.watch(interest(), 1)
    quick = await cache.watch(interest(), 1)
    fresh = await cache.watch(interest(), 1, initial=True)
    seen = 0
    for n in range(30):
        await create(cache, f"ns/{n}")
        seen += len(await taken(quick))
    assert seen == 30
    for stream in (slow, fresh):
        with pytest.raises(Compacted):
            await stream.next()
        assert isinstance(stream, Stream)
        assert stream._queue == []
    assert cache.watchers == 1


async def test_watchers_that_do_not_select_a_change_are_not_asked(cache: WatchCache) -> None:
    asked = 0

    def count(stream: object) -> None:
        assert isinstance(stream, Stream)
        offer = stream.plan.wants

        class Counting(type(stream.plan)):  # type: ignore[misc]
            def wants(self, item: object) -> bool:
                nonlocal asked
                asked += 1
                return offer(item)  # type: ignore[arg-type]

        stream.plan = Counting(*stream.plan)

    interests = [interest(f"other{n}") for n in range(50)]
    interests += [interest(fields=f"spec.nodeName=n{n}") for n in range(50)]
    interests += [interest("ns", f"name{n}") for n in range(50)]
    interests += [interest(labels=f"app=a{n}") for n in range(50)]
    for other in interests:
        count(await cache.watch(other, 1))
    await create(cache, "ns/a", labels="app=web", node="m")
    await change(cache, "ns/a", labels="app=web", node="m", phase="Running")
    await delete(cache, "ns/a")
    assert asked == 0


async def test_a_waiting_watcher_is_woken_and_may_be_cancelled(cache: WatchCache) -> None:
    stream = await cache.watch(interest(), 1)
    first = asyncio.ensure_future(stream.next())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.ensure_future(stream.next())
    await asyncio.sleep(0)
    await create(cache, "ns/a")
    assert told(await second) == [("ADDED", "ns/a")]


async def test_random_watchers_rebuild_the_state(cache: WatchCache) -> None:
    """Whatever a watcher selects, list plus changes is always the list of now."""
    chance = random.Random(11)
    kinds = [
        interest(),
        interest("n1"),
        interest(labels="l=1"),
        interest(fields="spec.nodeName=a"),
        interest("n1", "p3"),
    ]
    followers: list[tuple[object, dict[str, int], object]] = []
    for _ in range(300):
        path = f"n{chance.randrange(3)}/p{chance.randrange(6)}"
        more = {"labels": chance.choice(["", "l=1", "l=2"]), "node": chance.choice(["", "a", "b"])}
        if cache.peek(key(path)) is None:
            await create(cache, path, **more)
        elif chance.random() < 0.7:
            await change(cache, path, **more)
        else:
            await delete(cache, path)
        if chance.random() < 0.1:
            wanted = chance.choice(kinds)
            page = await cache.list(wanted)
            state = dict(zip(paths(page.items), (i.revision for i in page.items), strict=True))
            followers.append((wanted, state, await cache.watch(wanted, page.revision)))
    for wanted, state, stream in followers:
        for seen in await taken(stream):  # type: ignore[arg-type]
            assert seen.item is not None
            path = paths([seen.item])[0]
            assert (path in state) == (seen.type != "ADDED")
            state[path] = seen.revision
            if seen.type == "DELETED":
                del state[path]
        page = await cache.list(wanted)  # type: ignore[arg-type]
        assert state == dict(zip(paths(page.items), (i.revision for i in page.items), strict=True))


async def test_the_end_of_the_store_ends_watches(store: MemoryStore, cache: WatchCache) -> None:
    stream = await cache.watch(interest(), 1)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await stream.next()
    with pytest.raises(StoreUnavailable):
        await cache.get(key("ns/a"))


async def test_old_changes_are_forgotten_with_time(store: MemoryStore, clock: VirtualClock, scope: TaskScope) -> None:
    caches = Caches(store, clock, scope)
    cache = caches.of(PODS)
    assert caches.of(PODS) is cache
    scope.spawn(caches.forget_for_ever(), "forget")
    await create(cache, "ns/a")
    made = await create(cache, "ns/b")
    await clock.advance(301)
    await create(cache, "ns/c")
    assert told(await taken(await cache.watch(interest(), 1)))
    await clock.advance(300)
    with pytest.raises(Compacted):
        await cache.watch(interest(), 1)
    assert told(await taken(await cache.watch(interest(), made.revision))) == [("ADDED", "ns/c")]
    await clock.advance(600)
    later = await create(cache, "ns/d")
    assert told(await taken(await cache.watch(interest(), later.revision - 1))) == [("ADDED", "ns/d")]
