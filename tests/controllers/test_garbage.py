"""The garbage collector: background, foreground, orphans, circles, absent owners; and by property, that nothing with
an owner goes and nothing without one stays."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.scheme import resource_of
from pilothouse.api.types.core.v1 import ConfigMap, Namespace
from pilothouse.api.types.meta.v1 import ObjectMeta, OwnerReference
from pilothouse.api.types.rbac.v1 import ClusterRole
from pilothouse.controllers.garbage.graph import Graph
from pilothouse.controllers.pod_control import with_meta
from pilothouse.testing import clock as virtual
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, world

NAMES = ("garbage-collector-controller",)
replace = msgspec.structs.replace


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


def reference(owner: ConfigMap, **changes: Any) -> OwnerReference:
    (made,) = owned_by(owner)
    return replace(made, **changes)


async def events_of(w: World, reason: str) -> list[str]:
    return [message for told, message in await w.events() if told == reason]


async def test_cluster_scoped_objects_with_namespaced_owners_are_never_collected(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        there = await make(w, "there")
        absent = reference(there, name="absent", uid="no-such")
        for name, owner in (("lost", absent), ("owned", reference(there))):
            await w.client.create(ClusterRole(metadata=ObjectMeta(name=name, owner_references=(owner,))))
        await clock.advance(60)
        await delete(w, "there")
        await clock.advance(60)
        assert {r.metadata.name for r in await w.all(ClusterRole, "")} >= {"lost", "owned"}
        (told,) = await events_of(w, "OwnerRefInvalidNamespace")
        uid = there.metadata.uid
        assert told == f'ownerRef [v1/ConfigMap, namespace: , name: there, uid: {uid}] does not exist in namespace ""'


async def test_owner_in_another_namespace_counts_as_absent(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(Namespace(metadata=ObjectMeta(name="else")))
        owner = await make(w, "owner")
        # A namesake in the dependent's own namespace is another object.
        await w.client.create(ConfigMap(metadata=ObjectMeta(name="owner", namespace="else")))
        meta = ObjectMeta(name="child", namespace="else", owner_references=owned_by(owner))
        await w.client.create(ConfigMap(metadata=meta))
        await w.rest()
        assert {c.metadata.name for c in await w.all(ConfigMap, "else")} == {"owner"}
        assert await names(w) == {"owner"}
        assert len(await events_of(w, "OwnerRefInvalidNamespace")) == 1


@pytest.mark.parametrize(
    ("changes", "collected"),
    [
        ({}, False),
        ({"name": "other"}, True),
        ({"kind": "Secret"}, True),
        ({"uid": "another"}, True),
        ({"api_version": "v2"}, False),
        ({"api_version": "apps/v1", "kind": "Deployment"}, True),
    ],
)
async def test_an_owner_is_meant_by_all_its_coordinates(
    clock: VirtualClock, changes: dict[str, str], collected: bool
) -> None:
    async with world(clock, NAMES) as w:
        owner = await make(w, "owner")
        meta = ObjectMeta(name="child", namespace="ns", owner_references=(reference(owner, **changes),))
        await w.client.create(ConfigMap(metadata=meta))
        await w.rest()
        assert await names(w) == ({"owner"} if collected else {"owner", "child"})


async def test_wrong_reference_beside_a_right_one_is_taken_away(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        owner = await make(w, "owner")
        both = (reference(owner), reference(owner, name="other"))
        await w.client.create(ConfigMap(metadata=ObjectMeta(name="child", namespace="ns", owner_references=both)))
        await w.rest()
        child = await w.client.get(ConfigMap, "child", "ns")
        assert [r.name for r in child.metadata.owner_references] == ["owner"]
        await delete(w, "owner")
        assert await names(w) == set()


async def test_a_version_that_is_not_served_keeps_the_object(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        owner = await make(w, "owner")
        meta = ObjectMeta(name="child", namespace="ns", owner_references=(reference(owner, api_version="v2"),))
        await w.client.create(ConfigMap(metadata=meta))
        await delete(w, "owner")
        await clock.advance(60)
        assert await names(w) == {"child"}


def test_an_owner_that_shows_up_late_is_compared_with_what_its_dependents_mean() -> None:
    config_maps, roles = resource_of(ConfigMap), resource_of(ClusterRole)
    graph = Graph()
    owner = ConfigMap(metadata=ObjectMeta(name="owner", namespace="ns", uid="o"))
    for uid, namespace, name in (("right", "ns", "owner"), ("renamed", "ns", "other"), ("far", "else", "owner")):
        graph.observe(
            config_maps,
            ObjectMeta(name=uid, namespace=namespace, uid=uid, owner_references=(reference(owner, name=name),)),
        )
    graph.observe(roles, ObjectMeta(name="wide", uid="wide", owner_references=(reference(owner),)))
    found = graph.observe(config_maps, owner.metadata)
    assert found.touched == {"renamed", "far", "wide"}
    assert [(n.uid, r.name) for n, r in found.misplaced] == [("far", "owner"), ("wide", "owner")]


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
