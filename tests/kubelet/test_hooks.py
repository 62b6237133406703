"""Hooks and probes share their actions, and judge an HTTP answer differently."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import HTTPGetAction, LifecycleHandler
from pilothouse.kit.clock import SystemClock
from pilothouse.kubelet.handlers import Handlers
from pilothouse.kubelet.hooks import Hooks
from tests.kubelet.pods import pod

# HTTP asks nothing of the runtime.
NO_RUNTIME: Any = None


@pytest.mark.parametrize(("status", "probe"), [(200, True), (302, True), (404, False), (500, False)])
async def test_any_answer_is_good_enough_for_a_hook(status: int, probe: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        action = {"httpGet": {"port": port, "path": "/x"}}
        clock = SystemClock()
        handlers = Handlers(NO_RUNTIME, clock)
        container = (pod().spec.containers or ())[0]
        hook = from_builtins(action, LifecycleHandler)
        found = await Hooks(handlers, clock).run(hook, container, "c-0", "127.0.0.1")
        assert found.success
        asked = await handlers.http_get(from_builtins(action["httpGet"], HTTPGetAction), container, "127.0.0.1", 2.0)
        assert asked.success is probe


async def test_nobody_there_is_a_failure_of_a_hook_too() -> None:
    clock = SystemClock()
    hook = from_builtins({"httpGet": {"port": 1}}, LifecycleHandler)
    container = (pod().spec.containers or ())[0]
    found = await Hooks(Handlers(NO_RUNTIME, clock), clock).run(hook, container, "c-0", "127.0.0.1")
    assert not found.success
