"""The HTTPS client against a small server of the test's own: what it sends, and what it makes of answers."""

from __future__ import annotations

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.machinery.client import TransportError
from pilothouse.machinery.client.access import Access, AccessError, from_kubeconfig
from pilothouse.machinery.client.connection import Connection, lines
from pilothouse.machinery.client.https import HTTPSClient

Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


class Instant:
    """A clock whose sleeps cost nothing and are noted."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return asyncio.timeout(seconds)


class Stage:
    """A server that answers as told."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.answer: Handler | None = None
        self.url = ""
        self.clock = Instant()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        assert self.answer is not None
        return await self.answer(request)

    def client(self, **access: Any) -> HTTPSClient:
        return HTTPSClient(Connection(Access(self.url, **access), self.clock))


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    held = Stage()
    runner = web.ServerRunner(web.Server(held.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    held.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield held
    await runner.cleanup()


async def test_watch_decodes_lines_as_they_come(stage: Stage) -> None:
    frames = [
        {
            "type": kind,
            "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a", "resourceVersion": v}},
        }
        for kind, v in (("ADDED", "5"), ("BOOKMARK", "9"))
    ]
    gone = {"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"}}

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        data = b"".join(json.dumps(f).encode() + b"\n" for f in [*frames, gone])
        for at in range(0, len(data), 7):
            await response.write(data[at : at + 7])
        return response

    stage.answer = answer
    async with stage.client() as client:
        seen = []

        async def follow() -> None:
            async with client.watch(ConfigMap, "ns", resource_version="4", label_selector="a=b") as events:
                async for event in events:
                    seen.append((event.type, event.object.metadata.resource_version))

        with pytest.raises(StatusError) as caught:
            await follow()
    assert seen == [("ADDED", "5"), ("BOOKMARK", "9")]
    assert caught.value.code == 410
    assert stage.requests[0].path == "/api/v1/namespaces/ns/configmaps"
    assert stage.requests[0].query["resourceVersion"] == "4"
    assert stage.requests[0].query["labelSelector"] == "a=b"


async def test_tries_again_when_asked_and_only_then(stage: Stage) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if len(stage.requests) < 3:
            return web.Response(status=429, headers={"Retry-After": "2"}, text="busy")
        return web.json_response({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}})

    stage.answer = answer
    async with stage.client() as client:
        found = await client.get(ConfigMap, "a", "ns")
        assert found.metadata.name == "a"
        assert stage.clock.slept == [2, 2]

        async def refuse(request: web.Request) -> web.StreamResponse:
            return web.Response(status=503, text="not now")

        stage.answer = refuse
        with pytest.raises(StatusError) as caught:
            await client.create(ConfigMap(metadata=ObjectMeta(name="a", namespace="ns")))
    assert (caught.value.code, caught.value.reason) == (503, "ServiceUnavailable")
    assert stage.clock.slept == [2, 2]


async def test_status_of_answer_is_the_error(stage: Stage) -> None:
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "NotFound",
        "code": 404,
        "metadata": {},
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(status, status=404)

    stage.answer = answer
    async with stage.client() as client:
        with pytest.raises(StatusError) as caught:
            await client.delete(ConfigMap, "a", "ns", uid="u")
    assert caught.value.reason == "NotFound"
    sent = stage.requests[0]
    assert (sent.method, sent.path) == ("DELETE", "/api/v1/namespaces/ns/configmaps/a")


async def test_token_file_is_read_again_when_it_changes(stage: Stage, tmp_path: pathlib.Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}})

    stage.answer = answer
    file = tmp_path / "token"
    file.write_text("one\n")
    async with stage.client(token_file=str(file)) as client:
        await client.get(ConfigMap, "a", "ns")
        file.write_text("two\n")
        await client.get(ConfigMap, "a", "ns")
    assert [r.headers["Authorization"] for r in stage.requests] == ["Bearer one", "Bearer two"]


async def test_unreachable_server_and_nonsense_are_transport_errors(stage: Stage) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>")

    stage.answer = answer
    async with stage.client() as client:
        with pytest.raises(TransportError, match="no ConfigMap"):
            await client.get(ConfigMap, "a", "ns")
    async with HTTPSClient(Connection(Access("http://127.0.0.1:1"), stage.clock)) as client:
        with pytest.raises(TransportError):
            await client.get(ConfigMap, "a", "ns")


async def test_lines_are_put_together() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b\nc", b"\n\n", b"d\ne\n"):
            yield piece

    assert [line async for line in lines(pieces())] == [b"ab", b"c", b"d", b"e"]


def test_kubeconfig(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "config"
    file.write_text(
        """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u, namespace: work}}]
clusters: [{name: c, cluster: {server: "https://1.2.3.4:6443", certificate-authority-data: Y2E=}}]
users: [{name: u, user: {client-certificate: cert.pem, client-key: key.pem}}]
"""
    )
    access = from_kubeconfig(file)
    assert (access.server, access.authority, access.namespace) == ("https://1.2.3.4:6443", b"ca", "work")
    assert access.certificate_file == str(tmp_path / "cert.pem")
    with pytest.raises(AccessError, match="no context 'other'"):
        from_kubeconfig(file, "other")
