"""Events of large objects leave a watch in slices, and a watcher that takes no more of them keeps no copy."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.api.codec import protobuf
from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.server import ApiServer
from pilothouse.machinery.client import Client
from tests.apiserver.servers import running
from tests.apiserver.test_cost import Sent

MAPS = "/api/v1/namespaces/default/configmaps"
JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
SIZE = 400_000
FIRST, LATER = 4096, 16384
"""The largest slices: of the objects that are there when a watch begins, and of what changes later."""


class Accepting(Sent):
    """A request for an encoding."""

    def __init__(self, target: str, accept: str) -> None:
        super().__init__("GET", target.encode())
        self._accept = accept.encode()

    def header(self, name: bytes) -> bytes | None:
        return self._accept if name == b"accept" else super().header(name)


async def ask(server: ApiServer, target: str, accept: str = JSON) -> Any:
    answer: Any = server.handle(Accepting(target, accept))
    answer = await answer
    assert answer.status == 200
    return answer.body


@contextlib.asynccontextmanager
async def watching(server: ApiServer, query: str = "", accept: str = JSON) -> AsyncIterator[AsyncIterator[bytes]]:
    body = await ask(server, f"{MAPS}?watch=1&fieldSelector=metadata.name%3Dlarge&includeObject=Object{query}", accept)
    async with contextlib.aclosing(body):
        yield body


async def event(pieces: AsyncIterator[bytes], accept: str) -> list[bytes]:
    """The pieces of one event."""
    taken = [await anext(pieces)]
    while True:
        whole = b"".join(taken)
        if accept == PROTOBUF and len(whole) == 4 + int.from_bytes(whole[:4], "big"):
            return taken
        if accept != PROTOBUF and whole.endswith(b"\n"):
            return taken
        taken.append(await anext(pieces))


async def create(client: Client, size: int = SIZE) -> ConfigMap:
    meta = ObjectMeta(name="large", namespace="default")
    return await client.create(ConfigMap(metadata=meta, data={"a": "x" * size}))


async def expected(server: ApiServer, type: str, accept: str) -> bytes:
    body: bytes | list[bytes] = await ask(server, f"{MAPS}/large", accept if accept != TABLE else JSON)
    whole = body if isinstance(body, bytes) else b"".join(body)
    if accept == PROTOBUF:
        return protobuf.watch_frame(type, whole)
    return b'{"type":"%b","object":%b}\n' % (type.encode(), whole)


async def check(server: ApiServer, pieces: list[bytes], accept: str, type: str, most: int) -> None:
    whole, frame = b"".join(pieces), await expected(server, type, accept)
    if accept == TABLE:
        tree = json.loads(whole)
        assert tree["type"] == type
        assert tree["object"]["rows"][0]["object"] == json.loads(frame)["object"]
    else:
        assert whole == frame
    assert max(map(len, pieces)) <= most
    assert len(pieces) <= len(whole) // most + 2  # not smaller than they need to be, either


@pytest.mark.parametrize("accept", [JSON, PROTOBUF, TABLE])
# The sizes around a slice, where the frame's own bytes make the difference, besides a large one.
@pytest.mark.parametrize("size", [SIZE, *range(FIRST - 400, FIRST, 57), *range(LATER - 400, LATER, 57)])
async def test_an_event_is_its_slices_put_together(accept: str, size: int) -> None:
    async with running() as (server, client):
        await create(client)
        now = (await client.get(ConfigMap, "large", "default")).metadata.resource_version
        async with watching(server, f"&resourceVersion={now}", accept) as later:
            async with watching(server, "", accept) as first:
                await check(server, await event(first, accept), accept, "ADDED", FIRST)
            found = await client.get(ConfigMap, "large", "default")
            await client.update(ConfigMap(metadata=found.metadata, data={"a": "y" * size}))
            pieces = await event(later, accept)
            await check(server, pieces, accept, "MODIFIED", LATER)
            async with watching(server, "", accept) as first:
                pieces = await event(first, accept)
                await check(server, pieces, accept, "ADDED", FIRST)


async def test_small_events_before_a_large_one_go_out_first_and_in_one_piece() -> None:
    async with running() as (server, client):
        now = (await create(client)).metadata.resource_version
        async with watching(server, f"&resourceVersion={now}") as later:
            for number in range(3):
                found = await client.get(ConfigMap, "large", "default")
                await client.update(ConfigMap(metadata=found.metadata, data={"a": str(number)}))
            found = await client.get(ConfigMap, "large", "default")
            await client.update(ConfigMap(metadata=found.metadata, data={"a": "y" * SIZE}))
            small = await anext(later)
            assert [json.loads(line)["object"]["data"]["a"] for line in small.splitlines()] == ["0", "1", "2"]
            await check(server, await event(later, JSON), JSON, "MODIFIED", LATER)


WATCHERS = 40


@pytest.mark.parametrize("accept", [JSON, PROTOBUF, TABLE])
@pytest.mark.parametrize("later", [False, True])
async def test_a_watcher_in_the_middle_of_an_event_keeps_no_copy_of_it(accept: str, later: bool) -> None:
    """Each took one slice and takes no more: so it is when the peer does not read. It keeps that one."""
    most = LATER if later else FIRST
    async with running() as (server, client), contextlib.AsyncExitStack() as stack:
        made = await create(client)
        query = f"&resourceVersion={made.metadata.resource_version}" if later else ""
        watches = [await stack.enter_async_context(watching(server, query, accept)) for _ in range(WATCHERS + 1)]
        if later:
            await client.update(ConfigMap(metadata=made.metadata, data={"a": "y" * SIZE}))
        await anext(watches.pop())  # what all of them share is made
        tracemalloc.start()
        try:
            for watch in watches:
                assert len(await anext(watch)) <= most
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept / WATCHERS < most + 4096
