from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from pilothouse.api.types.core.v1 import Pod
from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.cacher.reflector import Source
from pilothouse.apiserver.generic.storage import ObjectCodec
from pilothouse.kit.tasks import TaskScope
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock

PODS = Source(
    form=ObjectCodec(Pod, {"spec.nodeName": lambda p: p.spec.node_name, "status.phase": lambda p: p.status.phase}),
    prefix="/registry/pods/",
    namespaced=True,
    indexed=("spec.nodeName",),
)


@pytest_asyncio.fixture
async def store() -> MemoryStore:
    return MemoryStore()


@pytest_asyncio.fixture
async def scope() -> AsyncIterator[TaskScope]:
    async with TaskScope("test") as made:
        yield made


@pytest_asyncio.fixture
async def cache(store: MemoryStore, clock: VirtualClock, scope: TaskScope) -> WatchCache:
    return WatchCache(store, PODS, clock, scope)
