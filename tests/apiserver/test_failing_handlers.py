"""A handler that raises what nobody foresaw answers 500 with a Status, and its connection goes on."""

from __future__ import annotations

import json

import pytest

from pilothouse.apiserver.generic.registry import Registry
from pilothouse.kit import guard
from pilothouse.testing.http import serving
from tests.apiserver.servers import running

HEAD = "{} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer T\r\nContent-Length: {}\r\n\r\n"


async def test_a_failing_handler(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def failing(self: Registry, namespace: str, name: str, revision: int = -1) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr(Registry, "get", failing)
    before = guard.failures()["request"]
    async with running() as (server, _), serving(server.handle) as served:
        peer = await served.connect()
        for count in (1, 2):
            path = "/api/v1/namespaces/default/configmaps/a"
            status, headers, body = await peer.exchange(HEAD.format(f"GET {path}", 0).encode())
            found = json.loads(body)
            assert (status, headers["content-type"], found["kind"]) == (500, "application/json", "Status")
            assert (found["reason"], found["code"]) == ("InternalError", 500)
            assert guard.failures()["request"] == before + count
        assert (await peer.exchange(HEAD.format("GET /readyz", 0).encode()))[0] == 200
    assert "nobody foresaw this" in caplog.text


@pytest.mark.parametrize("member", ["items", "additionalProperties", "not"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "x",
        [],
        {},
        [None],
        {"x-kubernetes-validations": "x"},
        {"required": {}},
        {"x-kubernetes-validations": [{"rule": None}]},
        {"properties": {"a": None}},
        {"items": {"type": 7}},
    ],
)
async def test_odd_schemas_within_schemas(member: str, value: object) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}, member: value}}}
    names = {"plural": "odds", "singular": "odd", "kind": "Odd", "listKind": "OddList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "odd.example", "scope": "Namespaced", "names": names, "versions": [version]}
    body = json.dumps({"metadata": {"name": "odds.odd.example"}, "spec": spec})
    before = guard.failures()["request"]
    async with running() as (server, _), serving(server.handle) as served:
        peer = await served.connect()
        head = HEAD.format("POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All", len(body))
        status, _, answer = await peer.exchange(head.encode() + body.encode())
        assert status in (201, 400, 422), answer
    assert guard.failures()["request"] == before


async def test_long_selectors_are_read_after_permission() -> None:
    terms = ",".join(f"a{number}!=b" for number in range(50_000))
    async with running() as (server, _), serving(server.handle) as served:
        peer = await served.connect()
        path = "/api/v1/namespaces/default/configmaps?labelSelector=" + terms.replace("=", "%3D")
        nobody = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"
        assert (await peer.exchange(nobody.encode()))[0] == 403
        assert (await peer.exchange(HEAD.format(f"GET {path}", 0).encode()))[0] == 200
        too_many = "/api/v1/namespaces/default/configmaps?" + "&".join(f"a{number}=b" for number in range(10_001))
        assert (await peer.exchange(HEAD.format(f"GET {too_many}", 0).encode()))[0] == 200
        too_long = "/api/v1/namespaces/default/configmaps?labelSelector=" + "a" * 1_400_000
        assert (await peer.exchange(HEAD.format(f"GET {too_long}", 0).encode()))[0] == 431
