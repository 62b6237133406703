"""The audit log: what a policy covers, what events hold at each level, and the file they go to."""

from __future__ import annotations

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from pilothouse.api.errors import not_found
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.filters.audit.log import Audit
from pilothouse.apiserver.filters.audit.policy import Level, PolicyError, read
from pilothouse.apiserver.filters.audit.sink import FileSink
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.http.messages import Response
from pilothouse.kit.random import Chance
from pilothouse.testing.clock import VirtualClock

ALICE = UserInfo(username="alice", groups=("devs",))
SECRET = Access(ALICE, "get", "", "v1", "secrets", "", "ns", "s")


def policy(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}


def level(access: Access, *rules: dict[str, Any]) -> Level:
    return read(policy(*rules)).coverage(access).level


def test_the_first_matching_rule_decides() -> None:
    secrets = {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets", "pods/log"]}]}
    assert level(SECRET, secrets, {"level": "Request"}) is Level.METADATA
    assert level(SECRET._replace(resource="configmaps"), secrets, {"level": "Request"}) is Level.REQUEST
    assert level(SECRET._replace(resource="pods"), secrets) is Level.NONE
    assert level(SECRET._replace(resource="pods", subresource="log"), secrets) is Level.METADATA


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({"users": ["alice"]}, True),
        ({"users": ["bob"]}, False),
        ({"userGroups": ["devs", "x"]}, True),
        ({"verbs": ["list"]}, False),
        ({"namespaces": ["ns"]}, True),
        ({"namespaces": ["other"]}, False),
        ({"resources": [{"group": "apps"}]}, False),
        ({"resources": [{"group": "", "resources": ["secrets"], "resourceNames": ["t"]}]}, False),
        ({"resources": [{"group": "", "resources": ["*"]}]}, True),
        ({"nonResourceURLs": ["/healthz*"]}, False),
    ],
)
def test_rules(rule: dict[str, Any], matches: bool) -> None:
    assert (level(SECRET, {"level": "Metadata", **rule}) is Level.METADATA) is matches


def test_paths() -> None:
    rule = {"level": "Metadata", "nonResourceURLs": ["/healthz*", "/version"]}
    assert level(Access(ALICE, "get", path="/healthz/etcd"), rule) is Level.METADATA
    assert level(Access(ALICE, "get", path="/metrics"), rule) is Level.NONE


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        ({}, "apiVersion must be audit.k8s.io/v1"),
        (policy(), "0 rules"),
        (policy({"level": "All"}), r"rules\[0\].level"),
        (policy({"level": "None", "omitStages": ["Never"]}), "no stage 'Never'"),
        (policy({"level": "None", "nonResourceURLs": ["x"]}), "must start with /"),
        (policy({"level": 5}), r"Expected `str`, got `int` - at `\$.rules\[0\].level`"),
    ],
)
def test_bad_policies_say_what_and_where(tree: object, text: str) -> None:
    with pytest.raises(PolicyError, match=text):
        read(tree)


class Posted:
    """A request with a body."""

    method = "POST"
    target = b"/api/v1/namespaces/ns/secrets?x=1"
    headers: Sequence[tuple[bytes, bytes]] = ((b"user-agent", b"kubectl"),)
    remote = ("10.0.0.1", 1)
    peer_certificate = None
    complete = True

    def header(self, name: bytes) -> bytes | None:
        return next((v for n, v in self.headers if n == name), None)

    async def body(self, limit: int) -> bytes:
        return b'{"metadata":{"name":"s","managedFields":[{}]}}'

    async def stream_body(self) -> AsyncIterator[bytes]:
        yield b""


class Lines:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def write(self, lines: Sequence[bytes]) -> None:
        self.events += [json.loads(line) for line in lines]

    def close(self) -> None:
        pass


async def events(tree: dict[str, Any], answer: Response) -> list[dict[str, Any]]:
    sink = Lines()
    audit = Audit(read(tree), sink, VirtualClock(), Chance(1))
    trail = audit.begin(Posted(), SECRET._replace(verb="create"))
    if trail is None:
        return []
    trail.acts_as(UserInfo(username="bob"))
    trail.decided(True, "because")
    await trail.request.body(100)
    sent = trail.answered(answer)
    assert isinstance(sent, Response)
    if sent.sent is not None:
        sent.sent()
    await asyncio.sleep(0)
    return sink.events


async def test_metadata_holds_no_bodies() -> None:
    received, complete = await events(policy({"level": "Metadata"}), Response(201, b"{}"))
    assert received["stage"] == "RequestReceived"
    assert complete["stage"] == "ResponseComplete"
    assert complete["auditID"] == received["auditID"]
    assert complete["user"] == {"username": "alice", "groups": ["devs"]}
    assert complete["impersonatedUser"] == {"username": "bob"}
    assert complete["objectRef"] == {"resource": "secrets", "namespace": "ns", "name": "s", "apiVersion": "v1"}
    assert complete["sourceIPs"] == ["10.0.0.1"]
    assert complete["requestURI"] == "/api/v1/namespaces/ns/secrets?x=1"
    assert complete["responseStatus"] == {"metadata": {}, "code": 201}
    assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert "requestObject" not in complete
    assert "responseObject" not in complete


async def test_bodies_come_with_their_levels() -> None:
    tree = policy({"level": "RequestResponse", "omitManagedFields": True}, omitStages=["RequestReceived"])
    (complete,) = await events(tree, Response(201, [b'{"a"', b":1}"]))
    assert complete["requestObject"] == {"metadata": {"name": "s"}}
    assert complete["responseObject"] == {"a": 1}


async def test_streams_have_a_start_and_an_end() -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b""

    found = await events(policy({"level": "Metadata"}), Response(200, stream()))
    assert [e["stage"] for e in found] == ["RequestReceived", "ResponseStarted", "ResponseComplete"]


async def test_refusals_are_told() -> None:
    sink = Lines()
    audit = Audit(read(policy({"level": "Metadata"})), sink, VirtualClock(), Chance(1))
    trail = audit.begin(Posted(), SECRET)
    assert trail is not None
    trail.refused(not_found("", "secrets", "s"))
    audit.flush()
    status = sink.events[-1]["responseStatus"]
    assert (status["code"], status["reason"], status["status"]) == (404, "NotFound", "Failure")


def test_the_file_is_rotated(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "audit.log"
    sink = FileSink(path, largest=20, kept=2)
    for number in range(5):
        sink.write([f"{number}-is-a-line".encode()])
    sink.close()
    assert path.read_bytes() == b"4-is-a-line\n"
    assert (tmp_path / "audit.log.2").read_bytes() == b"2-is-a-line\n"
    assert not (tmp_path / "audit.log.3").exists()
