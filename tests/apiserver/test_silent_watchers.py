"""Clients that watch or list nine megabytes of objects and read nothing cost little (tests/torture has 1,500)."""

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
OBJECTS, CLIENTS = 900, 60
EACH = 0.6
"""Megabytes for each (all nine, were they copied): its own side of the connection lies in this process, too."""


@pytest.mark.parametrize(
    "target",
    [
        f"{MAPS}?watch=1",
        f"{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        MAPS,
    ],
)
async def test_clients_that_do_not_read(target: str) -> None:
    clock = SystemClock()
    async with running() as (server, client), serving(server.handle, secure=True) as served:
        for number in range(OBJECTS):
            meta = ObjectMeta(name=f"c{number}", namespace="default")
            await client.create(ConfigMap(metadata=meta, data={"a": "x" * 10_000}))
        cache = server.endpoints[ConfigMap].registry.cache
        before = resident()
        context = tls.client_context(AUTHORITY.certificate)
        async with silent(served.port, target, CLIENTS, context):
            if "watch" in target:
                async with clock.timeout(20):
                    while cache.watchers < CLIENTS:
                        await clock.sleep(0.01)
            for _ in range(50):  # what is going to be taken is taken
                await clock.sleep(0.01)
            assert resident() - before < CLIENTS * EACH
        if "watch" in target:
            async with clock.timeout(20):
                while cache.watchers:
                    await clock.sleep(0.01)
