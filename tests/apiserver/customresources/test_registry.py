"""Custom resources on a whole server: followed as their definitions change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from pilothouse.api.codec import json as codec
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition as Crd
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.customresources import registry as registries
from pilothouse.apiserver.customresources.version import Version
from pilothouse.apiserver.generic.storage import SelectionPredicate
from pilothouse.apiserver.server import ApiServer
from pilothouse.kit.aside import LARGE
from pilothouse.machinery.client import ApplyPatch, Client, JSONPatch, MergePatch
from pilothouse.seams.store import StoreUnavailable
from pilothouse.semantics import conditions
from tests.apiserver.servers import running

T = TypeVar("T")
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


A_MOMENT = 0.01


async def until(holds: Any, pause: float = 0.0) -> None:
    """`pause`: seconds between two looks, for what comes about in a thread."""
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(pause)
    raise AssertionError("it never came")


def resource(server: ApiServer, version: str) -> Resource | None:
    found = server.served.by_resource.get(("example.com", version, "widgets"))
    return found.resource if found is not None else None


async def served(server: ApiServer, client: Client, *versions: dict[str, Any]) -> None:
    await client.create(definition(*versions))
    await until(lambda: resource(server, "v1") is not None)


async def applied(server: ApiServer, client: Client, version: str, spec: dict[str, Any]) -> Any:
    found = server.served.by_resource[("example.com", version, "widgets")]
    body = {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}
    await client.metadata.patch(found.resource, "w", "", ApplyPatch(body, field_manager="me", force=True))
    return (await found.registry.get("", "w")).obj


async def test_each_version_shows_what_its_schema_knows() -> None:
    async with running() as (server, client):
        await served(server, client, V1, V2)
        assert dict((await applied(server, client, "v1", {"a": "1", "both": "2"})).body) == {
            "spec": {"a": "1", "both": "2"}
        }
        second = server.served.by_resource[("example.com", "v2", "widgets")]
        seen = (await second.registry.get("", "w")).obj
        assert (seen.api_version, dict(seen.body)) == ("example.com/v2", {"spec": {"both": "2"}})
        await applied(server, client, "v2", {"b": "3", "both": "4"})
        first = server.served.by_resource[("example.com", "v1", "widgets")]
        assert dict((await first.registry.get("", "w")).obj.body) == {"spec": {"both": "4"}}


async def test_a_large_definition_is_compiled_once_and_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, bool]] = []

    class Seen(Version):
        def __init__(self, crd: Any, declared: Any) -> None:
            made.append((crd.metadata.name, threading.current_thread() is threading.main_thread()))
            super().__init__(crd, declared)

    monkeypatch.setattr(registries, "Version", Seen)
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


class Gate:
    """Compiling beside the loop begins, waits here, and goes on when the test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.compiled: list[tuple[str, bool]] = []
        """The last property that was added to the schema, and whether it was compiled on the loop."""
        self.closed = False
        self._go = threading.Semaphore(0)
        monkeypatch.setattr(registries, "Version", self._version)
        monkeypatch.setattr(registries, "aside", self._aside)

    @staticmethod
    async def _aside(size: int, work: Callable[[], T]) -> T:
        # In a thread of its own: large requests of the test would wait behind the gate otherwise.
        return await asyncio.to_thread(work) if size >= LARGE else work()

    def _version(self, crd: Crd, declared: Any) -> Version:
        on_loop = threading.current_thread() is threading.main_thread()
        properties = declared.schema.open_apiv_3_schema.properties["spec"].properties
        self.compiled.append(([name for name in properties if not name.startswith("p")][-1], on_loop))
        if self.closed and not on_loop:
            assert self._go.acquire(timeout=10)
        return Version(crd, declared)

    async def reached(self, count: int) -> None:
        for _ in range(1000):
            if len(self.compiled) >= count:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never came")

    def let_one_through(self) -> None:
        self._go.release()


def large(*names: str) -> dict[str, Any]:
    properties = {f"p{i}": {**TEXT, "description": "x" * 100} for i in range(1000)}
    return {**V1, "schema": schema(**properties, **dict.fromkeys(names, TEXT))}


async def changed(client: Client, *names: str) -> None:
    await client.patch(Crd, NAME, "", MergePatch({"spec": {"versions": [large(*names)]}}))


def declared(server: ApiServer) -> list[str]:
    """The properties of the schema that is served, without those that make it large."""
    schema = server.customs.served[NAME].told["v1"].schema
    assert schema is not None
    properties = schema["properties"]["spec"]["properties"]
    return [name for name in properties if not name.startswith("p")]


async def test_a_large_change_is_compiled_beside_the_loop_and_served_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(monkeypatch)
    async with running() as (server, client):
        await client.create(definition(large("a")))
        await until(lambda: resource(server, "v1") is not None, A_MOMENT)
        gate.closed = True
        await changed(client, "a", "b")
        await gate.reached(2)
        # The spec before serves requests meanwhile.
        assert declared(server) == ["a"]
        assert dict((await applied(server, client, "v1", {"a": "1"})).body) == {"spec": {"a": "1"}}
        await changed(client, "a", "b", "c")
        gate.let_one_through()
        await gate.reached(3)
        assert declared(server) == ["a"], "what is outdated already is not served"
        gate.let_one_through()
        old = server.customs.served[NAME]
        await until(lambda: server.customs.served[NAME] is not old, A_MOMENT)
        assert declared(server) == ["a", "b", "c"]
        spec = {"a": "1", "b": "2", "c": "3"}
        assert dict((await applied(server, client, "v1", spec)).body) == {"spec": spec}
    assert gate.compiled == [("a", False), ("b", False), ("c", False)]


async def test_a_large_change_that_is_taken_back_meanwhile_is_never_served(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    async with running() as (server, client):
        await client.create(definition(large("a")))
        await until(lambda: resource(server, "v1") is not None, A_MOMENT)
        gate.closed = True
        await changed(client, "a", "b")
        await gate.reached(2)
        before = server.customs.served[NAME]
        await client.patch(Crd, NAME, "", MergePatch({"spec": {"versions": [{**V1, "schema": schema(c=TEXT)}]}}))
        await until(lambda: server.customs.served[NAME] is not before)
        small = server.customs.served[NAME]
        gate.let_one_through()
        # Definitions are worked on one after the other: what is changed next has to wait for what is let through.
        gate.closed = False
        await changed(client, "a", "c", "d")
        await until(lambda: server.customs.served[NAME] is not small, A_MOMENT)
        assert declared(server)[-1] == "d"
    assert gate.compiled == [("a", False), ("b", False), ("c", True), ("d", False)]


async def test_a_definition_deleted_while_a_change_is_compiled_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    async with running() as (server, client):
        await client.create(definition(large("a")))
        await until(lambda: resource(server, "v1") is not None, A_MOMENT)
        await applied(server, client, "v1", {"a": "1"})
        gate.closed = True
        await changed(client, "a", "b")
        await gate.reached(2)
        await client.delete(Crd, NAME)
        gate.let_one_through()
        await until(lambda: server.reader.get(Crd, NAME) is None, A_MOMENT)
        assert NAME not in server.customs.served
        assert resource(server, "v1") is None
    assert gate.compiled == [("a", False), ("b", False)]


async def test_no_object_comes_in_while_a_changed_definition_terminates(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    async with running() as (server, client):
        await client.create(definition(large("a")))
        await until(lambda: resource(server, "v1") is not None, A_MOMENT)
        await applied(server, client, "v1", {"a": "1"})
        crd = resource(server, "v1")
        assert crd is not None
        await client.metadata.patch(crd, "w", "", MergePatch({"metadata": {"finalizers": ["example.com/hold"]}}))
        gate.closed = True
        await changed(client, "a", "b")
        await gate.reached(2)
        await client.delete(Crd, NAME)
        gate.let_one_through()
        await until(lambda: server.customs.served[NAME].crd.metadata.deletion_timestamp is not None, A_MOMENT)
        body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x"}}
        with pytest.raises(StatusError, match="create not allowed while custom resource definition is terminating"):
            await client.metadata.patch(crd, "x", "", ApplyPatch(body, field_manager="me"))


async def test_a_new_default_shows_in_what_is_stored() -> None:
    async with running() as (server, client):
        await served(server, client, V1)
        await applied(server, client, "v1", {"both": "2"})
        old = server.served.by_resource[("example.com", "v1", "widgets")]
        path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/n"
        added = {"op": "add", "path": path, "value": {"type": "integer", "default": 7}}
        await client.patch(Crd, NAME, "", JSONPatch([added]))
        await until(lambda: server.served.by_resource.get(("example.com", "v1", "widgets")) not in (None, old))
        found = server.served.by_resource[("example.com", "v1", "widgets")]
        assert dict((await found.registry.get("", "w")).obj.body) == {"spec": {"both": "2", "n": 7}}


async def test_a_watch_ends_when_the_definition_changes() -> None:
    async with running() as (server, client):
        await served(server, client, V1)
        old = server.served.by_resource[("example.com", "v1", "widgets")]
        async with client.metadata.watch(old.resource) as events:
            assert (await anext(events)).type == "BOOKMARK"
            await client.patch(Crd, NAME, "", MergePatch({"spec": {"names": {"shortNames": ["w"]}}}))
            assert [event async for event in events] == []
        with pytest.raises(StoreUnavailable):
            await old.registry.cache.watch(SelectionPredicate(), -1)


async def test_a_definition_takes_its_objects_along() -> None:
    async with running() as (server, client):
        await served(server, client, V1)
        await applied(server, client, "v1", {})
        await client.delete(Crd, NAME)
        await until(lambda: server.reader.get(Crd, NAME) is None)
        assert resource(server, "v1") is None
        assert NAME not in server.customs.served
        await served(server, client, V1)
        again = server.served.by_resource[("example.com", "v1", "widgets")]
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
        old = server.served.by_resource[("example.com", "v2", "widgets")]
        turned = [{**V1, "storage": False}, {**V2, "storage": True}]
        await client.patch(Crd, NAME, "", MergePatch({"spec": {"versions": turned}}))
        await until(lambda: server.served.by_resource.get(("example.com", "v2", "widgets")) not in (None, old))
        found = await server.served.by_resource[("example.com", "v2", "widgets")].registry.get("", "w")
        assert (found.obj.api_version, dict(found.obj.body)) == ("example.com/v2", {"spec": {"both": "2"}})
        crd = server.reader.get(Crd, NAME)
        assert crd is not None
        assert crd.status.stored_versions == ("v1", "v2")
        gone = replace(crd, spec=replace(crd.spec, versions=(crd.spec.versions or ())[1:]))
        with pytest.raises(StatusError, match="missing from spec"):
            await client.update(gone)
