"""What requests cost, counted in instructions of the interpreter, and how that grows. Times are compared only with each
other and in one run: a machine that is slow or busy changes nothing here.

What runs in C is not counted. So the growth of time is looked at, too, where it would show: 50 times the objects.
"""

from __future__ import annotations

import contextlib
import json
import json.decoder
import json.scanner
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pilothouse.api.types.core.v1 import Namespace, Pod, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.generic.storage import SelectionPredicate
from pilothouse.apiserver.server import ApiServer
from pilothouse.controllers import registry
from pilothouse.controllers.environment import Environment
from pilothouse.house.context import CONTROLLER_MANAGER
from pilothouse.house.control_plane import controller_identity
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client
from pilothouse.machinery.informer import Informers
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock
from tests.apiserver.servers import on_virtual_time

PODS = "/api/v1/namespaces/{}/pods"
SPACE, OTHER = "measured", "other"
FEW, MANY = 40, 2000
NAMES = ("create", "get", "patch", "apply", "create_and_delete")
ROUNDS = 5


@dataclass
class Sent:
    """A request that has arrived."""

    method: str
    target: bytes
    content: bytes = b""
    media: bytes = b"application/json"
    remote: tuple[str, int] = ("127.0.0.1", 1)
    peer_certificate: bytes | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    complete: bool = True

    def header(self, name: bytes) -> bytes | None:
        sent = {b"authorization": b"Bearer T", b"content-type": self.media, b"user-agent": b"test/1"}
        return sent.get(name)

    async def body(self, limit: int) -> bytes:
        return self.content


class Count:
    """Instructions that the interpreter executes: `with Count() as count`, then `count.total`."""

    total = 0

    def _trace(self, frame: Any, event: str, argument: Any) -> Callable[..., Any]:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.total += event == "opcode"
        return self._trace

    def __enter__(self) -> Count:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)


def pod(name: str, namespace: str = SPACE) -> bytes:
    container = {
        "name": "c",
        "image": "registry.k8s.io/pause:3.10",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "b"}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    meta = {"name": name, "namespace": namespace, "labels": {"app": "bench"}}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}
    ).encode()


class Work:
    """Requests to one server, by name."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._number = 0

    async def ask(self, method: str, path: str, content: bytes = b"", media: str = "application/json") -> None:
        answer: Any = self._server.handle(Sent(method, path.encode(), content, media.encode()))
        answer = await answer
        assert answer.status < 300, answer.body

    async def create(self, namespace: str = SPACE) -> None:
        self._number += 1
        await self.ask("POST", PODS.format(namespace), pod(f"p{self._number:06}", namespace))

    async def get(self) -> None:
        await self.ask("GET", f"{PODS.format(SPACE)}/fixed")

    async def patch(self) -> None:
        self._number += 1
        body = b'{"metadata":{"labels":{"x":"%d"}}}' % self._number
        await self.ask("PATCH", f"{PODS.format(SPACE)}/fixed", body, "application/merge-patch+json")

    async def apply(self) -> None:
        self._number += 1
        meta = {"name": "fixed", "labels": {"y": str(self._number)}}
        body = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta}).encode()
        path = f"{PODS.format(SPACE)}/fixed?fieldManager=test&force=true"
        await self.ask("PATCH", path, body, "application/apply-patch+yaml")

    async def create_and_delete(self) -> None:
        await self.ask("POST", PODS.format(SPACE), pod("gone"))
        await self.ask("DELETE", f"{PODS.format(SPACE)}/gone")

    async def list(self) -> None:
        await self.ask("GET", PODS.format(SPACE))

    async def instructions(self, work: Callable[[], Awaitable[None]]) -> int:
        """Those of one piece of work: the least of several, as others may be at work meanwhile."""
        found = []
        for _ in range(ROUNDS):
            with Count() as count:
                await work()
            found.append(count.total)
        return min(found)

    async def seconds(self, work: Callable[[], Awaitable[None]], times: int = 20) -> float:
        """CPU time of so many pieces, the least of several."""
        found = []
        for _ in range(3 * ROUNDS):
            begun = time.process_time()
            for _ in range(times):
                await work()
            found.append(time.process_time() - begun)
        return min(found)

    async def grow(self, count: int) -> None:
        for _ in range(count):
            await self.create()


def unhurried(clock: VirtualClock) -> contextlib.AbstractAsyncContextManager[tuple[ApiServer, Client]]:
    """A server whose clock stands still: on a busy machine, what is done about the time that has passed and about slow
    requests, which are logged, would count."""
    return on_virtual_time(clock, MemoryStore())


async def prepared(server: ApiServer, client: Any) -> Work:
    for namespace in (SPACE, OTHER):
        await client.create(Namespace(metadata=ObjectMeta(name=namespace)))
        await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace=namespace)))
    work = Work(server)
    await work.ask("POST", PODS.format(SPACE), pod("fixed"))
    for _ in range(3):  # then "fixed" has all its managers, and what is learned once is known
        for name in NAMES:
            await getattr(work, name)()
    return work


async def test_cost_does_not_grow_with_the_number_of_objects(clock: VirtualClock) -> None:
    async with unhurried(clock) as (server, client):
        work = await prepared(server, client)
        await work.grow(FEW)
        few = {name: await work.instructions(getattr(work, name)) for name in NAMES}
        times = {name: await work.seconds(getattr(work, name)) for name in ("get", "create_and_delete")}
        await work.grow(MANY)
        many = {name: await work.instructions(getattr(work, name)) for name in NAMES}
        assert many == {name: pytest.approx(few[name], rel=0.03) for name in NAMES}
        for name, before in times.items():
            # Twice: what missing the processor's caches may cost. What grows with the objects would cost 50 times.
            assert await work.seconds(getattr(work, name)) < 2.5 * before, name


async def test_a_list_costs_by_the_object(clock: VirtualClock) -> None:
    async with unhurried(clock) as (server, client):
        work = await prepared(server, client)
        await work.grow(200)
        few = await work.seconds(work.list)
        await work.grow(1800)
        assert await work.seconds(work.list) < 15 * few


async def test_an_event_costs_nothing_for_who_does_not_select_it(clock: VirtualClock) -> None:
    async with unhurried(clock) as (server, client):
        work = await prepared(server, client)
        alone = await work.instructions(work.patch)
        cache = server.served.endpoints[Pod].registry.cache
        now = cache.revision
        watches = [await cache.watch(SelectionPredicate(OTHER, f"p{number}"), now) for number in range(500)]
        watches += [await cache.watch(SelectionPredicate(OTHER), now) for _ in range(500)]
        assert await work.instructions(work.patch) == pytest.approx(alone, rel=0.03)
        for watch in watches:
            watch.close()


def yardstick() -> int:
    """The instructions that decoding and encoding the same pod takes in pure Python: work that never changes."""
    decoder = json.JSONDecoder()
    decoder.parse_string = json.decoder.py_scanstring  # type: ignore[attr-defined]
    decoder.scan_once = json.scanner.py_make_scanner(decoder)  # type: ignore[attr-defined]
    with Count() as count:
        decoder.decode(pod("yardstick").decode())
    return count.total


@pytest.mark.parametrize(
    ("name", "most"),
    [("create", 1.85), ("get", 0.55), ("patch", 2.8), ("apply", 3.1), ("create_and_delete", 3.1)],
)
async def test_no_request_takes_more_work_than_it_did(name: str, most: float, clock: VirtualClock) -> None:
    """`most` is in yardsticks, a sixth above what it was when this was written: raise it for a reason only."""
    async with unhurried(clock) as (server, client):
        work = await prepared(server, client)
        found = await work.instructions(getattr(work, name)) / yardstick()
        assert found < most, f"{name} takes {found:.2f} yardsticks"


@pytest.mark.parametrize(("name", "most"), [("patch", 1.22), ("create_and_delete", 2.45)])
async def test_no_change_gives_controllers_more_work_than_it_did(name: str, most: float, clock: VirtualClock) -> None:
    """What a request costs in a control plane besides: all controllers hear of the change, and find that it is none of
    theirs. `most` is a twelfth above what it was when this was written."""
    async with unhurried(clock) as (server, client), TaskScope("controllers") as scope:
        work = await prepared(server, client)

        async def whole() -> None:
            await getattr(work, name)()
            await clock.settle()

        def client_for(identity: str) -> Client:
            return server.client(controller_identity(identity))

        alone = await work.instructions(whole)
        informers = Informers(server.client(CONTROLLER_MANAGER), clock, Chance(1), scope)
        registry.start(Environment(client_for, informers, clock, Chance(2), scope))
        await clock.settle()
        found = (await work.instructions(whole) - alone) / yardstick()
        assert found < most, f"{name} takes {found:.2f} yardsticks"
