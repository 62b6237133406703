"""Who may ask the kubelet: which rights open which path, and how long an answer of the API server holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.kit import tls
from pilothouse.kubelet.server.auth import Denied, KubeletAuth, subresources
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.http import AUTHORITY, NOW
from tests.kubelet.server.node import API_SERVER, Reviews


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/stats/summary", ("stats",)),
        ("/metrics", ("metrics",)),
        ("/metrics/cadvisor", ("metrics",)),
        ("/logs/", ("log",)),
        ("/logs/containers/x.log", ("log",)),
        ("/checkpoint/ns/p/c", ("checkpoint",)),
        ("/healthz", ("healthz", "proxy")),
        ("/healthz/ping", ("healthz", "proxy")),
        ("/pods", ("pods", "proxy")),
        ("/runningpods/", ("pods", "proxy")),
        ("/configz", ("configz", "proxy")),
        ("/exec/ns/p/c", ("proxy",)),
        ("/containerLogs/ns/p/c", ("proxy",)),
        ("/metricsx", ("proxy",)),
        ("/%6detrics", ("proxy",)),
        ("//exec/metrics", ("proxy",)),
        ("/", ("proxy",)),
    ],
)
def test_paths_stand_for_subresources_of_the_node(path: str, expected: tuple[str, ...]) -> None:
    assert subresources(path) == expected


@dataclass
class Asked:
    """The part of a request that is looked at."""

    method: str
    peer_certificate: bytes | None
    authorization: bytes | None

    def header(self, name: bytes) -> bytes | None:
        return self.authorization if name == b"authorization" else None


def request(method: str = "GET", token: str = "", certificate: bytes | None = None) -> Any:
    return Asked(method, certificate, b"Bearer " + token.encode() if token else None)


async def test_answers_are_remembered_for_a_while(clock: VirtualClock) -> None:
    reviews = Reviews()
    reviews.granted.add(("alice", "get", "metrics"))
    access = KubeletAuth(reviews, clock)
    for _ in range(3):
        assert await access.decide(request(token="alice-token"), "/metrics") is None
    assert reviews.asked == [("token", "alice-token"), ("alice", "get", "metrics")]
    await clock.sleep(121)
    assert await access.decide(request(token="alice-token"), "/metrics") is None
    assert len(reviews.asked) == 3, "whose token it is, is asked again; the right holds longer"
    reviews.granted.clear()
    await clock.sleep(180)
    assert await access.decide(request(token="alice-token"), "/metrics") is not None


async def test_a_refusal_holds_shorter(clock: VirtualClock) -> None:
    reviews = Reviews()
    access = KubeletAuth(reviews, clock)
    assert await access.decide(request(token="alice-token"), "/pods") is not None
    reviews.granted.add(("alice", "get", "proxy"))
    assert await access.decide(request(token="alice-token"), "/pods") is not None
    await clock.sleep(31)
    assert await access.decide(request(token="alice-token"), "/pods") is None


async def test_without_the_api_server_nobody_new_gets_in(clock: VirtualClock) -> None:
    reviews = Reviews()
    reviews.reachable = False
    access = KubeletAuth(reviews, clock)
    assert await access.decide(request(token="alice-token"), "/metrics") == Denied(401, "Unauthorized")
    certificate = tls.to_der(AUTHORITY.issue_client(API_SERVER, now=NOW).certificate)
    denied = await access.decide(request(certificate=certificate), "/exec/ns/p/c")
    assert denied is not None
    assert denied.status == 500
    reviews.reachable = True
    assert await access.decide(request("POST", certificate=certificate), "/exec/ns/p/c") is None


async def test_groups_come_with_a_certificate(clock: VirtualClock) -> None:
    seen: list[UserInfo] = []

    class Seeing(Reviews):
        async def allowed(self, user: UserInfo, verb: str, subresource: str) -> bool:
            seen.append(user)
            return True

    pair = AUTHORITY.issue_client("prometheus", ("monitoring",), now=NOW)
    await KubeletAuth(Seeing(), clock).decide(request(certificate=tls.to_der(pair.certificate)), "/metrics")
    assert seen == [UserInfo(username="prometheus", groups=("monitoring", "system:authenticated"))]


async def test_a_flood_of_tokens_does_not_fill_the_memory(clock: VirtualClock) -> None:
    access = KubeletAuth(Reviews(), clock)
    for number in range(1500):
        await access.decide(request(token=f"forged-{number}"), "/metrics")
    assert len(access._tokens._values) <= 1000
