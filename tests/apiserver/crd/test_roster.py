"""Custom resources on a whole server: followed as their definitions change."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.codec import json as codec
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition as Crd
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.crd import roster
from pilothouse.apiserver.crd.version import Version
from pilothouse.apiserver.generic.storage import Interest
from pilothouse.apiserver.server import ApiServer
from pilothouse.machinery.client import ApplyPatch, Client, JSONPatch, MergePatch
from pilothouse.seams.store import StoreUnavailable
from pilothouse.semantics import conditions
from tests.apiserver.servers import running

NAME = "widgets.example.com"


def schema(**spec: Any) -> dict[str, Any]:
    return {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}}}


TEXT = {"type": "string"}
V1 = {"name": "v1", "served": True, "storage": True, "schema": schema(a=TEXT, both={**TEXT, "default": "d"})}
V2 = {"name": "v2", "served": True, "storage": False, "schema": schema(b=TEXT, both=TEXT)}


def definition(*versions: dict[str, Any]) -> Crd:
    names = {"plural": "widgets", "kind": "Widget"}
    spec = {"group": "example.com", "scope": "Cluster", "names": names, "versions": list(versions)}
    return codec.from_builtins({"metadata": {"name": NAME}, "spec": spec}, Crd)


async def until(holds: Any) -> None:
    for _ in range(400):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


def resource(server: ApiServer, version: str) -> Resource | None:
    found = server.by_resource.get(("example.com", version, "widgets"))
    return found.resource if found is not None else None


async def served(server: ApiServer, client: Client, *versions: dict[str, Any]) -> None:
    await client.create(definition(*versions))
    await until(lambda: resource(server, "v1") is not None)


async def applied(server: ApiServer, client: Client, version: str, spec: dict[str, Any]) -> Any:
    found = server.by_resource[("example.com", version, "widgets")]
    body = {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}
    await client.metadata.patch(found.resource, "w", "", ApplyPatch(body, field_manager="me", force=True))
    return (await found.registry.get("", "w")).obj


async def test_each_version_shows_what_its_schema_knows() -> None:
    async with running() as (server, client):
        await served(server, client, V1, V2)
        assert dict((await applied(server, client, "v1", {"a": "1", "both": "2"})).body) == {
            "spec": {"a": "1", "both": "2"}
        }
        second = server.by_resource[("example.com", "v2", "widgets")]
        seen = (await second.registry.get("", "w")).obj
        assert (seen.api_version, dict(seen.body)) == ("example.com/v2", {"spec": {"both": "2"}})
        await applied(server, client, "v2", {"b": "3", "both": "4"})
        first = server.by_resource[("example.com", "v1", "widgets")]
        assert dict((await first.registry.get("", "w")).obj.body) == {"spec": {"both": "4"}}


async def test_a_large_definition_is_compiled_once_and_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, bool]] = []

    class Seen(Version):
        def __init__(self, crd: Any, declared: Any) -> None:
            made.append((crd.metadata.name, threading.current_thread() is threading.main_thread()))
            super().__init__(crd, declared)

    monkeypatch.setattr(roster, "Version", Seen)
    large = {**V1, "schema": schema(**{f"p{i}": {**TEXT, "description": "x" * 100} for i in range(1000)})}
    other = replace(definition(V1), metadata=ObjectMeta(name="others.example.com"))
    names = replace(other.spec.names, plural="others", kind="Other")
    established = {NAME: asyncio.Event(), other.metadata.name: asyncio.Event()}

    def changed(_: Crd | None, new: Crd | None) -> None:
        if new is not None and conditions.is_true(new.status.conditions or (), "Established"):
            established[new.metadata.name].set()

    async with running() as (server, client):
        server.reader.observe(Crd, changed)
        await client.create(definition(large))
        await established[NAME].wait()
        assert resource(server, "v1") is not None
        await client.patch(Crd, NAME, "", MergePatch({"metadata": {"annotations": {"a": "b"}}}))
        # Definitions are worked on one after the other: now nothing is left to do with the first.
        await client.create(replace(other, spec=replace(other.spec, names=names)))
        await established[other.metadata.name].wait()
    assert made == [(NAME, False), (other.metadata.name, True)]


async def test_a_new_default_shows_in_what_is_stored() -> None:
    async with running() as (server, client):
        await served(server, client, V1)
        await applied(server, client, "v1", {"both": "2"})
        old = server.by_resource[("example.com", "v1", "widgets")]
        path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/n"
        added = {"op": "add", "path": path, "value": {"type": "integer", "default": 7}}
        await client.patch(Crd, NAME, "", JSONPatch([added]))
        await until(lambda: server.by_resource.get(("example.com", "v1", "widgets")) not in (None, old))
        found = server.by_resource[("example.com", "v1", "widgets")]
        assert dict((await found.registry.get("", "w")).obj.body) == {"spec": {"both": "2", "n": 7}}


async def test_a_watch_ends_when_the_definition_changes() -> None:
    async with running() as (server, client):
        await served(server, client, V1)
        old = server.by_resource[("example.com", "v1", "widgets")]
        async with client.metadata.watch(old.resource) as events:
            assert (await anext(events)).type == "BOOKMARK"
            await client.patch(Crd, NAME, "", MergePatch({"spec": {"names": {"shortNames": ["w"]}}}))
            assert [event async for event in events] == []
        with pytest.raises(StoreUnavailable):
            await old.registry.cache.watch(Interest(), -1)


async def test_a_definition_takes_its_objects_along() -> None:
    async with running() as (server, client):
        await served(server, client, V1)
        await applied(server, client, "v1", {})
        await client.delete(Crd, NAME)
        await until(lambda: server.reader.get(Crd, NAME) is None)
        assert resource(server, "v1") is None
        assert NAME not in server.customs.served
        await served(server, client, V1)
        again = server.by_resource[("example.com", "v1", "widgets")]
        with pytest.raises(StatusError, match="not found"):
            await again.registry.get("", "w")


async def test_a_definition_waits_for_finalizers_and_takes_no_new_objects() -> None:
    async with running() as (server, client):
        await served(server, client, V1)
        await applied(server, client, "v1", {})
        found = resource(server, "v1")
        assert found is not None
        await client.metadata.patch(found, "w", "", MergePatch({"metadata": {"finalizers": ["example.com/hold"]}}))
        await client.delete(Crd, NAME)
        await until(lambda: server.customs.served[NAME].crd.metadata.deletion_timestamp is not None)
        body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x"}}
        with pytest.raises(StatusError, match="create not allowed while custom resource definition is terminating"):
            await client.metadata.patch(found, "x", "", ApplyPatch(body, field_manager="me"))
        await client.metadata.patch(found, "w", "", MergePatch({"metadata": {"finalizers": None}}))
        await until(lambda: server.reader.get(Crd, NAME) is None)


async def test_objects_of_another_storage_version_are_read_on() -> None:
    async with running() as (server, client):
        await served(server, client, V1, V2)
        await applied(server, client, "v1", {"a": "1", "both": "2"})
        old = server.by_resource[("example.com", "v2", "widgets")]
        turned = [{**V1, "storage": False}, {**V2, "storage": True}]
        await client.patch(Crd, NAME, "", MergePatch({"spec": {"versions": turned}}))
        await until(lambda: server.by_resource.get(("example.com", "v2", "widgets")) not in (None, old))
        found = await server.by_resource[("example.com", "v2", "widgets")].registry.get("", "w")
        assert (found.obj.api_version, dict(found.obj.body)) == ("example.com/v2", {"spec": {"both": "2"}})
        crd = server.reader.get(Crd, NAME)
        assert crd is not None
        assert crd.status.stored_versions == ("v1", "v2")
        gone = replace(crd, spec=replace(crd.spec, versions=(crd.spec.versions or ())[1:]))
        with pytest.raises(StatusError, match="missing from spec"):
            await client.update(gone)
