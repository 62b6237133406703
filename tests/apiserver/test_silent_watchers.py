"""Clients that watch or list nine megabytes of objects, small or large, and read nothing cost little.

tests/torture has 1,500 of them.
"""

from __future__ import annotations

import pytest

from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from pilothouse.testing.http import AUTHORITY, serving
from tests.apiserver.servers import running
from tests.torture.non_readers import resident, silent

MAPS = "/api/v1/namespaces/default/configmaps"
OBJECTS, SIZE = 900, 10_000
LARGE_OBJECTS, LARGE_SIZE = 20, 400_000
CLIENTS = 60
EACH = 0.6
"""Megabytes for each (eight or nine, were all copied): its own side of the connection lies in this process, too."""


@pytest.mark.parametrize(
    "target",
    [
        f"{MAPS}?watch=1",
        f"{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        MAPS,
    ],
)
@pytest.mark.parametrize(("objects", "size"), [(OBJECTS, SIZE), (LARGE_OBJECTS, LARGE_SIZE)])
async def test_clients_that_do_not_read(target: str, objects: int, size: int) -> None:
    clock = SystemClock()
    async with running() as (server, client), serving(server.handle, secure=True) as served:
        for number in range(objects):
            meta = ObjectMeta(name=f"c{number}", namespace="default")
            await client.create(ConfigMap(metadata=meta, data={"a": "x" * size}))
        cache = server.served.endpoints[ConfigMap].registry.cache
        before = resident()
        context = tls.client_context(AUTHORITY.certificate)
        async with silent(served.port, target, CLIENTS, context):
            if "watch" in target:
                async with clock.timeout(20):
                    while cache.watchers < CLIENTS:
                        await clock.sleep(0.01)
            for _ in range(50):  # what is going to be taken is taken
                await clock.sleep(0.01)
            took = resident() - before
            print(f"{CLIENTS} clients took {took:.0f} MB")
            assert took < CLIENTS * EACH
        if "watch" in target:
            async with clock.timeout(20):
                while cache.watchers:
                    await clock.sleep(0.01)
