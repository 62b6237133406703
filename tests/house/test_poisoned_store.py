"""A control plane comes up whatever its store holds: what nobody can read is set aside, named, and can be deleted;
what can be read but is hostile stops nobody but itself."""

from __future__ import annotations

import contextlib
import json
import logging
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pilothouse.api.codec import json as codec
from pilothouse.api.codec.json import from_builtins
from pilothouse.api.shapes import shape_of
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.core.v1 import ConfigMap, Namespace, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.rbac.v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from pilothouse.apiserver.assembly import assemble
from pilothouse.apiserver.authn.build import Settings as AuthnSettings
from pilothouse.apiserver.parts import MASTER, Parts
from pilothouse.apiserver.server import ApiServer
from pilothouse.controllers import registry
from pilothouse.controllers.environment import Environment, Settings
from pilothouse.house.control_plane import SCHEDULER, controller_identity
from pilothouse.kinds.registry import strategies
from pilothouse.kinds.strategy import Strategy
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.client import ClientRequest, dial, exchange
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.events import Recorder
from pilothouse.machinery.informer import Informers
from pilothouse.scheduler.runner import Scheduler
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.http import serving
from tests.api.test_protobuf import sample
from tests.apiserver.servers import ADMIN, signer

STRATEGIES = strategies()
OPTION = "ignoreStoreReadErrorWithClusterBreakingPotential=true"


def place(strategy: Strategy[Any], name: str) -> str:
    """The key of an object of a kind."""
    return f"/registry/{strategy.prefix}/{'default/' if strategy.resource.namespaced else ''}{name}"


def head(strategy: Strategy[Any]) -> bytes:
    kind = strategy.type()
    return f'{{"kind":"{kind.kind}","apiVersion":"{kind.api_version}",'.encode()


def damaged(strategy: Strategy[Any]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) that nobody can read."""
    begun = head(strategy) + b'"metadata":{'
    yield "empty", b""
    yield "noise", bytes(range(256)) * 4
    yield "null", b"null"
    yield "list", b"[]"
    yield "headless", b'{"metadata":{"name":"headless"}}'
    yield "foreign", b'{"kind":"Other","apiVersion":"v9","metadata":{"name":"foreign"}}'
    yield "truncated", begun + b'"name":"trunca'
    yield "trailing", begun + b'"name":"trailing"}}}'
    yield "mistyped", begun + b'"name":5}}'
    yield "labelled", begun + b'"name":"labelled","labels":["a"]}}'
    yield "bottomless", begun + b'"name":"bottomless","annotations":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}}"
    yield "deep", begun + b'"name":"deep"},"data":' + b"[" * 501 + b"]" * 501 + b"}"
    yield "not-utf8", begun + b'"name":"not-utf8","annotations":{"a":"\xff\xfe"}}}'


def hostile(strategy: Strategy[Any], dice: random.Random) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of objects that can be read, but that no validation would have let in."""
    kind = strategy.type
    sampled = sample(shape_of(kind), 3, dice)
    odd = "a\u202e\u0000\U0001f4a9/../" + "é" * 300
    owners = [{"apiVersion": "v1", "kind": "Node", "name": f"n{n}", "uid": f"u{n}"} for n in range(300)]
    meta: dict[str, Any] = {
        "name": "full",
        "namespace": "default" if strategy.resource.namespaced else "",
        "uid": "full",
        "creationTimestamp": "0001-01-01T00:00:00Z",
        "deletionTimestamp": "9999-12-31T23:59:59Z",
        "deletionGracePeriodSeconds": -7,
        "finalizers": [odd, ""],
        "labels": {odd: odd, "": ""},
        "annotations": {odd: "x" * 200_000},
        "ownerReferences": [*owners, {"apiVersion": "///", "kind": "", "name": odd, "uid": "full"}],
        "managedFields": [{"manager": odd, "operation": "Nothing", "fieldsV1": {"f:": {"k:{": {}}}}],
    }
    for name, tree in (
        ("full", {**sampled, "metadata": meta}),
        ("sampled", {**sampled, "metadata": {"name": "sampled", "uid": "s"}}),
        ("bare", {}),
        ("misplaced", {**sampled, "metadata": {"name": "other", "namespace": "kube-system", "uid": "m"}}),
    ):
        yield name, codec.encode(from_builtins(tree, kind))


@contextlib.asynccontextmanager
async def control_plane(store: MemoryStore) -> AsyncIterator[tuple[ApiServer, Scheduler]]:
    """API server, all controllers and the scheduler over a store."""
    clock, chance = SystemClock(), Chance(7)
    authn = AuthnSettings(keys=(signer().key,), static_tokens={"T": ADMIN})
    server = assemble(Parts(store=store, clock=clock, chance=chance, authn=authn, signer=signer()))
    failed: list[str] = []
    async with TaskScope(
        "control plane", on_failure=lambda name, failure: failed.append(f"{name}: {failure!r}")
    ) as scope:
        await server.start()
        informers = Informers(server.client(MASTER), clock, chance, scope)
        environment = Environment(
            client_for=lambda name: server.client(controller_identity(name)),
            informers=informers,
            clock=clock,
            chance=chance,
            scope=scope,
            settings=Settings(cluster_authority="authority", token_signer=signer()),
        )
        registry.start(environment)
        client = server.client(SCHEDULER)
        scheduler = Scheduler(client, informers, clock, chance, Recorder("default-scheduler", client, clock, scope))
        scope.spawn(scheduler.run(), "scheduler")
        yield server, scheduler
    await server.close()
    assert failed == []


async def ask(port: int, method: str, path: str) -> tuple[int, dict[str, str], Any]:
    stream = await dial("127.0.0.1", port, clock=SystemClock())
    sent = [(b"Host", b"api"), (b"Authorization", b"Bearer T")]
    async with exchange(stream, ClientRequest(method, path.encode(), sent)) as response:
        headers = {name.decode().lower(): value.decode() for name, value in response.headers}
        body = await response.read(50_000_000)
        return response.status, headers, json.loads(body) if headers["content-type"] == "application/json" else body


def path_of(strategy: Strategy[Any], name: str = "") -> str:
    r = strategy.resource
    base = f"/apis/{r.api_version}" if r.group else f"/api/{r.version}"
    return f"{base}{'/namespaces/default' if r.namespaced else ''}/{r.resource}{'/' + name if name else ''}"


async def well(server: ApiServer) -> None:
    """The control plane does its work: a new namespace is given its account by a controller."""
    client, clock = server.client(MASTER), server.parts.clock
    await client.create(Namespace(metadata=ObjectMeta(name="new")))
    async with clock.timeout(30):
        while server.reader.get(ServiceAccount, "default", "new") is None:
            await clock.sleep(0.01)
    await client.create(ConfigMap(metadata=ObjectMeta(name="new", namespace="new")))


async def begun() -> MemoryStore:
    """The store of a cluster that was up before."""
    store = MemoryStore()
    async with control_plane(store):
        pass
    return store


async def test_objects_that_nobody_can_read_are_set_aside(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    store = await begun()
    for strategy in STRATEGIES:
        for name, value in damaged(strategy):
            await store.create(place(strategy, name), value)
    async with control_plane(store) as (server, _), serving(server.handle) as served:
        await well(server)
        for strategy in STRATEGIES:
            names = [name for name, _ in damaged(strategy)]
            status, headers, found = await ask(served.port, "GET", path_of(strategy))
            assert status == 200, strategy.prefix
            assert not {item["metadata"]["name"] for item in found["items"]} & set(names)
            assert "cannot be read" in headers["warning"]
            status, _, found = await ask(served.port, "GET", path_of(strategy, names[0]))
            assert (status, found["reason"]) == (500, "InternalError")
            assert "corrupt object" in found["message"]
            assert (await ask(served.port, "DELETE", path_of(strategy, names[0])))[0] == 500, strategy.prefix
            for name in names:
                answer = await ask(served.port, "DELETE", path_of(strategy, name) + "?" + OPTION)
                assert answer[0] == 200, (strategy.prefix, name, answer)
                assert (await ask(served.port, "GET", path_of(strategy, name)))[0] == 404
            assert "warning" not in (await ask(served.port, "GET", path_of(strategy)))[1] or strategy.always_warns


async def test_a_namespace_is_not_gone_while_something_in_it_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    store = await begun()
    async with control_plane(store) as (server, _), serving(server.handle) as served:
        client, clock = server.client(MASTER), server.parts.clock
        await client.create(Namespace(metadata=ObjectMeta(name="going")))
        await client.create(ConfigMap(metadata=ObjectMeta(name="good", namespace="going")))
        for number in range(7):
            await store.create(f"/registry/configmaps/going/bad-{number}", b"noise")
        await client.delete(Namespace, "going")
        async with clock.timeout(30):
            while not (conditions := (await client.get(Namespace, "going")).status.conditions):
                await clock.sleep(0.01)
        told = {c.type: (c.status, c.reason, c.message) for c in conditions}
        assert told["NamespaceDeletionContentFailure"] == (
            "True",
            "ContentDeletionFailed",
            "Failed to delete all resource types, 1 remaining: configmaps: Internal error occurred: objects in the "
            "store that cannot be read are not deleted: going/bad-0, going/bad-1, going/bad-2, going/bad-3, "
            "going/bad-4 and 2 more; each can be, with the option ignoreStoreReadErrorWithClusterBreakingPotential",
        )
        assert told["NamespaceContentRemaining"][0] == "False"
        assert (await ask(served.port, "GET", "/api/v1/namespaces/going/configmaps/good"))[0] == 404
        status, _, found = await ask(served.port, "DELETE", "/api/v1/namespaces/going/configmaps")
        assert (status, found["reason"]) == (500, "InternalError")
        for number in range(7):
            path = f"/api/v1/namespaces/going/configmaps/bad-{number}?{OPTION}"
            assert (await ask(served.port, "DELETE", path))[0] == 200
        async with clock.timeout(30):
            while (await ask(served.port, "GET", "/api/v1/namespaces/going"))[0] != 404:
                await clock.sleep(0.01)


async def test_damaged_roles_that_every_cluster_has_are_written_anew(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    store = await begun()
    roles = [item for kind in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
             for item in (await store.range(f"/registry/{kind}/")).items]  # fmt: skip
    for item in roles:
        await store.replace(item.key, b"{}", item.mod_revision)
    encrypted = f"/registry/clusterroles/{roles[0].key.rpartition('/')[2]}"
    found = await store.get(encrypted)
    assert found is not None
    await store.replace(encrypted, b"k8s:enc:aesgcm:v1:gone:" + bytes(40), found.mod_revision)
    async with control_plane(store) as (server, _):
        await well(server)
        left = [found.key for kind in (ClusterRole, ClusterRoleBinding, Role, RoleBinding)
                for found in server.served.endpoints[kind].registry.cache.unreadable.list()]  # fmt: skip
        assert left == [encrypted]


async def test_everything_there_was_is_damaged(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody but the masters may do anything then, and they can clear up."""
    caplog.set_level(logging.CRITICAL)
    store = await begun()
    for item in (await store.range("/registry/")).items:
        await store.replace(item.key, item.value[:-7], item.mod_revision)
    async with control_plane(store) as (server, _), serving(server.handle) as served:
        for strategy in STRATEGIES:
            unreadable = server.served.endpoints[strategy.type].registry.cache.unreadable.list()
            for found in unreadable:
                place = found.key.removeprefix(f"/registry/{strategy.prefix}/").split("/")
                path = path_of(strategy, place[-1]).replace("/namespaces/default/", f"/namespaces/{place[0]}/")
                assert (await ask(served.port, "DELETE", f"{path}?{OPTION}"))[0] == 200, path
    async with control_plane(store) as (server, _):
        await well(server)


async def test_objects_damaged_while_the_control_plane_runs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    store = await begun()
    async with control_plane(store) as (server, _):
        for strategy in STRATEGIES:
            for name, value in damaged(strategy):
                await store.create(place(strategy, name), value)
        for item in (await store.range("/registry/namespaces/default")).items:
            await store.replace(item.key, b"\xff", item.mod_revision)
        await well(server)


@pytest.mark.parametrize("seed", range(3))
async def test_hostile_objects_stop_nobody(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    store = await begun()
    dice = random.Random(seed)
    for strategy in STRATEGIES:
        for name, value in hostile(strategy, dice):
            await store.create(place(strategy, name), value)
    async with control_plane(store) as (server, _), serving(server.handle) as served:
        await well(server)
        for strategy in STRATEGIES:
            assert (await ask(served.port, "GET", path_of(strategy)))[0] == 200, strategy.prefix
        assert (await ask(served.port, "GET", "/openapi/v2"))[0] == 200


def established(name: str, schema: dict[str, Any]) -> bytes:
    """A definition as it was stored when it was served."""
    names = {"plural": f"{name}s", "singular": name, "kind": name.capitalize(), "listKind": f"{name.capitalize()}List"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    condition = {"type": "Established", "status": "True"}
    tree = {
        "metadata": {"name": f"{name}s.poison.example", "uid": name},
        "spec": {
            "conversion": {"strategy": "None"},
            "group": "poison.example",
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
        "status": {"acceptedNames": names, "conditions": [condition], "storedVersions": ["v1"]},
    }
    return codec.encode(from_builtins(tree, CustomResourceDefinition))


async def test_definitions_that_cannot_be_compiled_say_so_and_others_are_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    store = await begun()
    prefix = "/registry/apiextensions.k8s.io/customresourcedefinitions/"
    bad = {
        "bracket": {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
        "untyped": {"type": "object", "properties": {"a": {}}},
        "strange": {"type": "spaceship"},
    }
    for name, schema in bad.items():
        await store.create(f"{prefix}{name}s.poison.example", established(name, schema))
    await store.create(f"{prefix}goods.poison.example", established("good", {"type": "object"}))
    async with control_plane(store) as (server, _), serving(server.handle) as served:
        base = "/apis/poison.example/v1/namespaces/default"
        clock = server.parts.clock
        async with clock.timeout(30):
            while (await ask(served.port, "GET", f"{base}/goods"))[0] != 200:
                await clock.sleep(0.01)
        for name in bad:
            crd = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}s.poison.example"
            async with clock.timeout(30):
                while (told := await condition(served.port, crd))[0] != "False":
                    await clock.sleep(0.01)
            assert told[1] == "NotServable"
            assert (await ask(served.port, "GET", f"{base}/{name}s"))[0] == 404
            assert (await ask(served.port, "DELETE", crd))[0] == 200
            async with clock.timeout(30):
                while (await ask(served.port, "GET", crd))[0] != 404:
                    await clock.sleep(0.01)
        assert (await ask(served.port, "GET", f"{base}/goods"))[0] == 200


async def condition(port: int, crd: str) -> tuple[str, str]:
    """(status, reason) of a definition's condition Established."""
    found = (await ask(port, "GET", crd))[2]["status"]["conditions"]
    return next((c["status"], c.get("reason", "")) for c in found if c["type"] == "Established")
