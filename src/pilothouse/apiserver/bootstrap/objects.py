"""The objects that every cluster starts with, beside roles and flow schemas."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Namespace
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.networking.v1 import ServiceCIDR, ServiceCIDRSpec
from pilothouse.api.types.scheduling.v1 import PriorityClass
from pilothouse.kit.tasks import attempt
from pilothouse.machinery.client import Client

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def _priority(name: str, value: int, description: str) -> PriorityClass:
    return PriorityClass(metadata=ObjectMeta(name=name), value=value, description=description)


PRIORITIES = (
    _priority(
        "system-node-critical",
        2000001000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    _priority(
        "system-cluster-critical",
        2000000000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
)


async def ensure(client: Client, wanted: Sequence[Any]) -> None:
    """Create what is not there yet, all at once: the store then needs few commits. Failures come as an
    ExceptionGroup of StatusErrors, after all others were created."""
    await together([partial(_ensure, client, obj) for obj in wanted])


async def together(writes: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Carry out all of them, whatever some raise; then raise that as an ExceptionGroup."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_attempted(write)) for write in writes]
    failures = [failure for task in tasks if (failure := task.result()) is not None]
    if failures:
        raise ExceptionGroup("objects that every cluster has were not written", failures)


async def _attempted(write: Callable[[], Coroutine[Any, Any, None]]) -> Exception | None:
    return await attempt(write())


async def _ensure(client: Client, obj: Any) -> None:
    try:
        await client.create(obj)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise


async def namespaces(client: Client) -> None:
    await ensure(client, [Namespace(metadata=ObjectMeta(name=name)) for name in NAMESPACES])


async def priorities(client: Client) -> None:
    await ensure(client, PRIORITIES)


async def service_range(client: Client, cidr: str) -> None:
    """The ServiceCIDR that stands for the server's own range."""
    meta = ObjectMeta(name="kubernetes", finalizers=("networking.k8s.io/service-cidr-finalizer",))
    await ensure(client, [ServiceCIDR(metadata=meta, spec=ServiceCIDRSpec(cidrs=(cidr,)))])
