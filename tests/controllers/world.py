"""A control plane of the controllers a test names, on virtual time, beside a fake API or the real API server.

The fake has no admission, no validation and no authorization. The real one has, and every controller is there with the
identity and the rights that it has in a cluster; whoever is refused by authorization fails the test.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

import msgspec

from pilothouse.api.types.core.v1 import Binding, Event, Namespace, ObjectReference, Pod, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta, Status
from pilothouse.apiserver.parts import MASTER
from pilothouse.controllers import registry
from pilothouse.controllers.environment import Environment, Settings
from pilothouse.house.context import CONTROLLER_MANAGER
from pilothouse.house.control_plane import controller_identity
from pilothouse.kit.metrics import Registry
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller
from pilothouse.machinery.informer import Informers
from pilothouse.seams.store import Store
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster
from tests.apiserver.servers import on_virtual_time
from tests.controllers.tapped import LaggingClient, Tap, TappedClient

T = TypeVar("T")
replace = msgspec.structs.replace


class Api:
    """Which API the worlds of this test stand on; the fixture of that name sets it."""

    FAKE, SERVER = "fake", "server"
    chosen = FAKE


@dataclass
class World:
    """`client` is an administrator's; `tap` sees the writes of the controllers."""

    clock: VirtualClock
    client: Client
    tap: Tap = field(default_factory=Tap)
    metrics: Registry = field(default_factory=Registry)
    """What the controllers tell of their work since they were started."""
    controllers: dict[str, Controller[Any]] = field(default_factory=dict)
    restart: Callable[[], Awaitable[None]] = field(init=False)
    """End the controllers at once, and start new ones that remember nothing."""

    async def rest(self) -> None:
        """Let everything that is under way come to rest; no time passes beyond a second's back-off."""
        await self.clock.advance(1.0)

    async def all(self, kind: type[T], namespace: str = "ns") -> list[T]:
        return list((await self.client.list(kind, namespace)).items)  # type: ignore[type-var]

    async def events(self) -> list[tuple[str, str]]:
        found: list[Event] = await self.all(Event, "")
        return [(e.reason, e.message) for e in found]

    async def put(self, obj: Any) -> Any:
        """Create an object that has its status already: the API takes a status in a second step only."""
        made = await self.client.create(obj)
        return await self.status(made, **{n: getattr(obj.status, n) for n in obj.status.__struct_fields__})

    async def bind(self, pod: Pod, node: str) -> None:
        """Give a pod to a node, as the scheduler does."""
        meta = ObjectMeta(name=pod.metadata.name, namespace=pod.metadata.namespace)
        body = Binding(metadata=meta, target=ObjectReference(kind="Node", name=node))
        await self.client.create_subresource(Pod, meta.name, meta.namespace, "binding", body, Status)

    async def status(self, obj: Any, subresource: str = "status", **changes: Any) -> Any:
        """Write a changed status, as the component that owns it would."""
        latest = await self.client.get(type(obj), obj.metadata.name, obj.metadata.namespace)
        return await self.client.update(
            replace(latest, status=replace(latest.status, **changes)), subresource=subresource
        )


def untouched(pod: Pod) -> bool:
    """Whether no kubelet has told of the pod yet."""
    return pod.status.phase in ("", "Pending")


@contextlib.asynccontextmanager
async def world(
    clock: VirtualClock, names: Iterable[str], settings: Settings | None = None, store: Store | None = None
) -> AsyncIterator[World]:
    """The world of a test in namespace `ns`. `store` is what the real API server keeps its objects in."""
    chosen = tuple(names)
    async with contextlib.AsyncExitStack() as stack:
        clients = _fake(clock) if Api.chosen == Api.FAKE else await _server(clock, stack, store or MemoryStore())
        administrator = clients("")
        await administrator.create(Namespace(metadata=ObjectMeta(name="ns")))
        if Api.chosen == Api.SERVER and "serviceaccount-controller" not in chosen:
            await administrator.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="ns")))
        made = World(clock, administrator)

        async def later(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
            await clock.sleep(seconds)
            await work()

        async def start() -> TaskScope:
            scope = await stack.enter_async_context(TaskScope("controllers"))
            made.tap.delayed = lambda seconds, work: _spawned(scope, later(seconds, work))
            client = cast(Client, LaggingClient(clients(MANAGER), made.tap, clock))
            informers = Informers(client, clock, Chance(1), scope)
            own = partial(_tapped, clients, made.tap)
            made.metrics = Registry()
            env = Environment(own, informers, clock, Chance(2), scope, settings or Settings(), made.metrics)
            made.controllers = {c.name: c for c in registry.start(env, chosen)}
            await clock.settle()
            return scope

        scope = await start()

        async def restart() -> None:
            nonlocal scope
            await scope.close()
            scope = await start()

        made.restart = restart
        yield made
    forbidden = made.tap.forbidden()
    assert not forbidden, forbidden


MANAGER = "the controllers' manager"


def _tapped(clients: Callable[[str], Client], tap: Tap, name: str) -> Client:
    return TappedClient(clients(name), tap, name)


def _spawned(scope: TaskScope, work: Coroutine[Any, Any, None]) -> None:
    scope.spawn(work, "late request")


def _fake(clock: VirtualClock) -> Callable[[str], Client]:
    client = FakeClient(FakeCluster(clock))
    return lambda name: client


async def _server(clock: VirtualClock, stack: contextlib.AsyncExitStack, store: Store) -> Callable[[str], Client]:
    server, _ = await stack.enter_async_context(on_virtual_time(clock, store))
    known = {"": MASTER, MANAGER: CONTROLLER_MANAGER}
    return lambda name: server.client(known.get(name) or controller_identity(name))
