"""Requests carried on by a whole API server, to a kubelet that says what it was asked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pilothouse.api.codec import json as codec
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import (
    Binding,
    Container,
    Node,
    NodeAddress,
    NodeStatus,
    ObjectReference,
    Pod,
    PodSpec,
    ServiceAccount,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.rbac.v1 import PolicyRule, Role, RoleBinding, RoleRef, Subject
from pilothouse.apiserver.assembly import assemble
from pilothouse.apiserver.authn.build import Settings
from pilothouse.apiserver.parts import MASTER, Parts
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.client import ClientRequest, ClientResponse, dial, exchange
from pilothouse.kit.http.messages import Answer, RawStream, Request, Response, Upgrade
from pilothouse.kit.http.websocket import Message, WebSocket, client_headers
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import ApplyPatch, Client
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.http import Served, serving
from tests.apiserver.servers import ADMIN, signer

READER = UserInfo(username="reader")
UPGRADE = ((b"Connection", b"Upgrade"), (b"Upgrade", b"SPDY/3.1"))


@dataclass
class FakeKubelet:
    """Answers with what it was asked; `served` is set once it listens."""

    seen: list[tuple[str, bytes, dict[bytes, bytes]]] = field(default_factory=list)
    port: int = 0

    def handle(self, request: Request) -> Answer:
        self.seen.append((request.method, request.target, dict(request.headers)))
        if request.target.endswith(b"/gone") and b"Logs" in request.target:
            return Response(400, b"there is no log", b"text/plain")
        if request.target.startswith(b"/redirect"):
            return Response(302, b"", b"", [(b"Location", b"/elsewhere"), (b"Access-Control-Allow-Origin", b"*")])
        if b"/stubborn" in request.target:
            return Response(200, b"no upgrade here")
        if request.header(b"upgrade"):
            if b"refuse" in request.target:
                return Response(500, b'container not found ("refuse")', b"text/plain")
            return Upgrade([(b"Connection", b"Upgrade"), (b"Upgrade", b"SPDY/3.1")], self.echo)
        return Response(200, b"line 1\nline 2\n", b"text/plain")

    async def echo(self, stream: RawStream) -> None:
        while data := await stream.read():
            await stream.write(data.upper())

    async def connect(self, node: Node) -> RawStream:
        return await dial("127.0.0.1", self.port, clock=SystemClock())


@dataclass
class World:
    client: Client
    kubelet: FakeKubelet
    served: Served

    @contextlib.asynccontextmanager
    async def ask(
        self, path: str, *headers: tuple[bytes, bytes], method: str = "GET", token: bytes = b"T", body: bytes = b""
    ) -> AsyncIterator[ClientResponse]:
        stream = await dial("127.0.0.1", self.served.port, clock=SystemClock())
        sent = [(b"Host", b"api"), (b"Authorization", b"Bearer " + token), *headers]
        async with exchange(stream, ClientRequest(method, path.encode(), sent, body)) as response:
            yield response

    async def get(self, path: str, *headers: tuple[bytes, bytes], method: str = "GET") -> tuple[int, str]:
        async with self.ask(path, *headers, method=method) as response:
            return response.status, (await response.read(10_000)).decode()


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    kubelet = FakeKubelet()
    settings = Settings(keys=(signer().key,), static_tokens={"T": ADMIN, "R": READER})
    parts = Parts(
        store=MemoryStore(),
        clock=SystemClock(),
        chance=Chance(7),
        authn=settings,
        signer=signer(),
        kubelets=kubelet,
    )
    server = assemble(parts)
    await server.start()
    try:
        async with serving(kubelet.handle) as behind, serving(server.handle) as served:
            kubelet.port = behind.port
            client = server.client(MASTER)
            await prepare(client)
            yield World(client, kubelet, served)
    finally:
        await server.close()


async def prepare(client: Client) -> None:
    await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
    status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address="127.0.0.1"),))
    await client.create(Node(metadata=ObjectMeta(name="n1"), status=status))
    for name, node in (("p", "n1"), ("pending", "")):
        spec = PodSpec(
            containers=(
                Container(name="c", image="i"),
                Container(name="gone", image="i"),
                Container(name="refuse", image="i"),
                Container(name="stubborn", image="i"),
            ),
            automount_service_account_token=False,
        )
        await client.create(Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec))
        if node:
            binding = Binding(metadata=ObjectMeta(name=name, namespace="default"), target=ObjectReference(name=node))
            await client.create_subresource(Pod, name, "default", "binding", binding, Binding)


PODS = "/api/v1/namespaces/default/pods"


async def test_logs_come_from_the_kubelet() -> None:
    async with world() as one:
        assert await one.get(f"{PODS}/p/log?container=c&tailLines=2") == (200, "line 1\nline 2\n")
        method, target, headers = one.kubelet.seen[-1]
        assert (method, target) == ("GET", b"/containerLogs/default/p/c?tailLines=2")
        assert b"authorization" not in headers
        assert await one.get(f"{PODS}/pending/log?container=c") == (204, "")
        code, text = await one.get(f"{PODS}/p/log?container=gone")
        assert (code, "there is no log" in text, '"reason":"BadRequest"' in text) == (400, True, True)
        code, text = await one.get(f"{PODS}/nope/log")
        assert (code, 'pods \\"nope\\" not found' in text) == (404, True)


@pytest.mark.parametrize(
    ("protocols", "chosen", "first", "rest"),
    [
        ([], None, Message(b"", text=False), b"line 1\nline 2\n"),
        (
            ["base64.binary.k8s.io", "binary.k8s.io"],
            b"base64.binary.k8s.io",
            Message(b"", text=True),
            b"bGluZSAxCmxpbmUgMgo=",
        ),
        (["other", "binary.k8s.io"], b"binary.k8s.io", Message(b"", text=False), b"line 1\nline 2\n"),
    ],
)
async def test_a_log_comes_over_a_websocket(
    protocols: list[str], chosen: bytes | None, first: Message, rest: bytes
) -> None:
    headers, _ = client_headers(protocols)
    async with world() as one, one.ask(f"{PODS}/p/log?container=c", *headers) as answer:
        assert (answer.status, answer.header(b"sec-websocket-protocol")) == (101, chosen)
        assert answer.upgraded is not None
        socket = WebSocket(answer.upgraded, server=False)
        assert await socket.receive() == first
        found = b""
        while (message := await socket.receive()) is not None:
            found += message.data
        assert (found, socket.close_code) == (rest, 1000)


async def test_a_websocket_of_another_kind_gets_no_log() -> None:
    headers, _ = client_headers(["v5.channel.k8s.io"])
    async with world() as one:
        status, text = await one.get(f"{PODS}/p/log?container=c", *headers)
    assert status == 400
    assert "unable to negotiate protocol" in text


async def test_an_upgrade_is_a_tunnel_to_the_kubelet() -> None:
    async with world() as one:
        path = f"{PODS}/p/exec?container=c&command=ls&stdout=true"
        asked = ((b"X-Stream-Protocol-Version", b"v4.channel.k8s.io"), (b"Impersonate-Extra-A", b"b"))
        async with one.ask(path, *UPGRADE, *asked[:1], method="POST") as response:
            assert response.status == 101
            assert response.upgraded is not None
            await response.upgraded.write(b"hello")
            assert await response.upgraded.read() == b"HELLO"
        method, target, headers = one.kubelet.seen[-1]
        assert (method, target) == ("POST", b"/exec/default/p/c?output=1&command=ls")
        assert headers[b"x-stream-protocol-version"] == b"v4.channel.k8s.io"
        assert headers[b"x-forwarded-for"] == b"127.0.0.1"
        assert not {b"authorization", b"impersonate-extra-a"} & headers.keys()


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        (
            "p/exec?command=x",
            400,
            "a container name must be specified for pod p, choose one of: [c gone refuse stubborn]",
        ),
        ("p/exec?command=x&container=z", 400, "container z is not valid for pod p"),
        ("pending/exec?container=c", 400, "pod pending does not have a host assigned"),
        ("pending/portforward", 400, "pod pending does not have a host assigned"),
        ("nope/attach", 404, 'pods \\"nope\\" not found'),
        ("p/exec?container=stubborn", 500, "invalid upgrade response: status code 200"),
        ("p/exec?container=refuse", 500, 'container not found ("refuse")'),
    ],
)
async def test_refused_upgrades(path: str, code: int, told: str) -> None:
    async with world() as one:
        status, text = await one.get(f"{PODS}/{path}", *UPGRADE, method="POST")
        assert (status, told in text) == (code, True), text


async def test_what_is_no_upgrade_is_refused() -> None:
    async with world() as one:
        code, text = await one.get(f"{PODS}/p/attach?container=c")
        assert (code, "Upgrade request required" in text) == (400, True)


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward"])
async def test_every_transport_needs_the_right_to_create(subresource: str) -> None:
    """By GET, the right to get is asked for first, and the right to create besides."""
    async with world() as one:
        meta = ObjectMeta(name="reading", namespace="default")
        subjects = (Subject(kind="User", name="reader", api_group="rbac.authorization.k8s.io"),)
        role = RoleRef(kind="Role", name="reading", api_group="rbac.authorization.k8s.io")
        await one.client.create(RoleBinding(metadata=meta, subjects=subjects, role_ref=role))
        websocket, _ = client_headers(["v5.channel.k8s.io"])
        path = f"{PODS}/p/{subresource}?container=c&command=x"

        async def answers(verbs: tuple[str, ...]) -> list[tuple[str, int, str]]:
            rules = (PolicyRule(verbs=verbs, api_groups=("",), resources=(f"pods/{subresource}",)),)
            await one.client.patch(
                Role, "reading", "default", ApplyPatch(_tree(Role(metadata=meta, rules=rules)), "test", force=True)
            )
            found = []
            for method, headers in (("GET", websocket), ("GET", UPGRADE), ("GET", ()), ("POST", UPGRADE), ("POST", ())):
                async with one.ask(path, *headers, method=method, token=b"R", body=b"") as response:
                    if response.status == 101:
                        found.append((method, 101, ""))
                    else:
                        status = json.loads(await response.read(10_000))
                        found.append((method, response.status, status["message"]))
            return found

        may_not = f'pods "p" is forbidden: User "reader" cannot create resource "pods/{subresource}" in API group ""'
        may_not_get = may_not.replace("cannot create", "cannot get")
        where = ' in the namespace "default"'
        besides = 'pods "p" is forbidden: '
        needs = "Upgrade request required"
        assert await answers(("get",)) == [
            *(3 * [("GET", 403, besides)]),
            *(2 * [("POST", 403, may_not + where)]),
        ]
        assert await answers(("create",)) == [
            *(3 * [("GET", 403, may_not_get + where)]),
            ("POST", 101, ""),
            ("POST", 400, needs),
        ]
        assert await answers(("get", "create")) == [
            ("GET", 101, ""),
            ("GET", 101, ""),
            ("GET", 400, needs),
            ("POST", 101, ""),
            ("POST", 400, needs),
        ]


def _tree(obj: Role) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(codec.encode(obj))
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", **tree}


async def test_a_token_among_the_subprotocols_is_not_passed_on() -> None:
    async with world() as one:
        token = b"base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(b"T").rstrip(b"=")
        websocket = (
            (b"Connection", b"Upgrade"),
            (b"Upgrade", b"websocket"),
            (b"Sec-WebSocket-Protocol", token + b", v5.channel.k8s.io"),
            (b"Sec-WebSocket-Protocol", token),
        )
        for path in (f"{PODS}/p/exec?container=c&command=x", "/api/v1/nodes/n1/proxy/x"):
            async with one.ask(path, *websocket) as response:
                assert response.status == 101
            _, _, headers = one.kubelet.seen[-1]
            assert headers[b"sec-websocket-protocol"] == b"v5.channel.k8s.io"
            assert not any(token in value for value in headers.values())


async def test_the_proxy_of_a_node() -> None:
    async with world() as one:
        assert await one.get("/api/v1/nodes/n1/proxy/a%2Fb?c=d") == (200, "line 1\nline 2\n")
        _, target, headers = one.kubelet.seen[-1]
        assert target == b"/a%2Fb?c=d"
        assert headers[b"x-forwarded-uri"] == b"/api/v1/nodes/n1/proxy/a%2Fb"
        assert headers[b"host"] == b"api"
        async with one.ask("/api/v1/nodes/n1/proxy/redirect") as response:
            assert (response.status, response.header(b"location")) == (302, b"/api/v1/nodes/n1/proxy/elsewhere")
            assert response.header(b"access-control-allow-origin") is None
        async with one.ask("/api/v1/nodes/n1/proxy?x=y") as response:
            assert (response.status, response.header(b"location")) == (301, b"/api/v1/nodes/n1/proxy/?x=y")
        async with one.ask("/api/v1/nodes/n1/proxy/x", method="HEAD") as response:
            assert (response.status, response.header(b"content-length")) == (200, b"14")
        async with one.ask("/api/v1/nodes/n1/proxy/x", method="POST", body=b"y" * 1000) as response:
            assert response.status == 200


async def test_pods_without_an_address_are_not_proxied_to() -> None:
    async with world() as one:
        code, text = await one.get(f"{PODS}/p:80/proxy/")
        assert (code, "address not allowed" in text) == (400, True)


async def test_a_kubelet_that_is_not_there() -> None:
    async with world() as one:
        one.kubelet.port = 1
        code, text = await one.get(f"{PODS}/p/log?container=c")
        assert (code, "error dialing backend" in text) == (500, True)


async def test_a_server_that_breaks_off() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with world() as one, await asyncio.start_server(hang_up, "127.0.0.1", 0) as behind:
        one.kubelet.port = behind.sockets[0].getsockname()[1]
        code, text = await one.get("/api/v1/nodes/n1/proxy/x")
        status = json.loads(text)
        assert (code, status["reason"]) == (503, "ServiceUnavailable")
        assert status["message"].startswith("error trying to reach service: ")


async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that leaves HTTP whatever it was asked, and talks."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\nunasked bytes")
    await reader.read()
    writer.close()


async def test_a_switch_of_protocols_that_nobody_asked_for_is_refused() -> None:
    async with world() as one, await asyncio.start_server(switch, "127.0.0.1", 0) as behind:
        one.kubelet.port = behind.sockets[0].getsockname()[1]
        for method in ("GET", "POST"):
            code, text = await one.get("/api/v1/nodes/n1/proxy/x", method=method)
            status = json.loads(text)
            assert (code, status["kind"], status["code"]) == (500, "Status", 500)
            assert status["message"] == 'backend tried to switch protocol "odd" when "" was requested'
        async with one.ask("/api/v1/nodes/n1/proxy/x", (b"Connection", b"Upgrade"), (b"Upgrade", b"odd")) as response:
            assert response.status == 101
            assert response.upgraded is not None
            assert await response.upgraded.read() == b"unasked bytes"
