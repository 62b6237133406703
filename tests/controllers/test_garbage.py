"""The garbage collector: background, foreground, orphans, circles, absent owners; and by property, that nothing with
an owner goes and nothing without one stays."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ObjectMeta, OwnerReference
from pilothouse.controllers.pod_control import with_meta
from pilothouse.testing import clock as virtual
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, world

NAMES = ("garbage-collector-controller",)


def owned_by(*owners: ConfigMap, block: bool = False) -> tuple[OwnerReference, ...]:
    return tuple(
        OwnerReference(
            api_version="v1",
            kind="ConfigMap",
            name=o.metadata.name,
            uid=o.metadata.uid,
            block_owner_deletion=block or None,
        )
        for o in owners
    )


async def make(w: World, name: str, *owners: ConfigMap, block: bool = False) -> ConfigMap:
    meta = ObjectMeta(name=name, namespace="ns", owner_references=owned_by(*owners, block=block))
    return await w.client.create(ConfigMap(metadata=meta))


async def names(w: World) -> set[str]:
    return {c.metadata.name for c in await w.all(ConfigMap)}


async def delete(w: World, name: str, policy: str | None = None) -> None:
    await w.client.delete(ConfigMap, name, "ns", propagation_policy=policy)
    await w.rest()


async def test_background_deletes_what_nobody_owns_any_more(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        one, two = await make(w, "one"), await make(w, "two")
        child = await make(w, "child", one)
        await make(w, "grandchild", child)
        await make(w, "shared", one, two)
        await w.rest()
        await delete(w, "one")
        assert await names(w) == {"two", "shared"}
        shared = await w.client.get(ConfigMap, "shared", "ns")
        assert [r.name for r in shared.metadata.owner_references] == ["two"]


async def test_foreground_waits_for_blocking_dependents(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        top = await make(w, "top")
        held = await make(w, "held", top, block=True)
        await w.client.update(with_meta(held, finalizers=("x/y",)))
        await make(w, "free", top)
        await w.rest()
        await delete(w, "top", "Foreground")
        assert await names(w) == {"top", "held"}
        held = await w.client.get(ConfigMap, "held", "ns")
        await w.client.update(with_meta(held, finalizers=()))
        await w.rest()
        assert await names(w) == set()


async def test_orphaning_lets_dependents_go(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        top = await make(w, "top")
        await make(w, "child", top)
        await w.rest()
        await delete(w, "top", "Orphan")
        assert await names(w) == {"child"}
        assert (await w.client.get(ConfigMap, "child", "ns")).metadata.owner_references == ()


async def test_circle_goes_when_one_is_deleted(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        a = await make(w, "a")
        b = await make(w, "b", a, block=True)
        c = await make(w, "c", b, block=True)
        await w.client.update(with_meta(a, owner_references=owned_by(c, block=True)))
        await w.rest()
        assert await names(w) == {"a", "b", "c"}
        await delete(w, "a", "Foreground")
        await clock.advance(5)
        assert await names(w) == set()


async def test_absent_owner_and_same_name_with_another_uid(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        ghost = ConfigMap(metadata=ObjectMeta(name="ghost", namespace="ns", uid="no-such"))
        await make(w, "child", ghost)
        await make(w, "ghost")
        await w.rest()
        assert await names(w) == {"ghost"}


async def test_unknown_kind_keeps_the_object(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        reference = OwnerReference(api_version="x.io/v1", kind="Strange", name="s", uid="u")
        await w.client.create(
            ConfigMap(metadata=ObjectMeta(name="kept", namespace="ns", owner_references=(reference,)))
        )
        await clock.advance(60)
        assert await names(w) == {"kept"}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_only_the_ownerless_go(data: st.DataObject) -> None:
    """Any forest of owners, any objects deleted with any policy: in the end just those are left that were not deleted
    and that have a living owner or never had one, or were orphaned."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        async with world(loop.clock, NAMES) as w:
            made: list[ConfigMap] = []
            parents: dict[str, set[str]] = {}
            for number in range(data.draw(st.integers(2, 8))):
                owners = data.draw(st.lists(st.integers(0, number - 1), unique=True, max_size=2)) if number else []
                block = data.draw(st.booleans())
                made.append(await make(w, f"o{number}", *(made[o] for o in owners), block=block))
                parents[f"o{number}"] = {f"o{o}" for o in owners}
            await w.rest()
            gone: set[str] = set()
            orphaned: set[str] = set()
            for victim in data.draw(st.lists(st.integers(0, len(made) - 1), unique=True, max_size=3)):
                name = f"o{victim}"
                if name not in await names(w):
                    continue
                policy = data.draw(st.sampled_from([None, "Background", "Foreground", "Orphan"]))
                await delete(w, name, policy)
                await w.rest()
                gone.add(name)
                for child, held in parents.items():
                    if name in held and policy == "Orphan":
                        held.discard(name)
                        orphaned.add(child)
                for _ in parents:
                    for child, held in parents.items():
                        lost = held & gone
                        if child in gone or not lost:
                            continue
                        held -= lost
                        if not held:
                            gone.add(child)
            assert await names(w) == set(parents) - gone

    virtual.run(scenario())
