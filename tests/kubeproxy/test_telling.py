"""What the proxy says of its health, and the figures it exposes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import Node
from pilothouse.kit.http.pages import answer
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubeproxy.model import Place
from pilothouse.kubeproxy.runner import ServiceProxy
from pilothouse.kubeproxy.telling import LATE_SECONDS, health_pages, metrics_pages
from pilothouse.testing.clock import VirtualClock
from tests.kubeproxy.build import service
from tests.kubeproxy.test_runner import FakeKernel, Fed, version


def said(pages: Any, target: bytes) -> tuple[int, dict[str, Any]]:
    found = answer(pages, target)
    assert isinstance(found.body, bytes)
    return found.status, json.loads(found.body)


async def test_it_is_unhealthy_while_the_kernel_refuses_what_is_new_for_a_minute(clock: VirtualClock) -> None:
    fed, kernel = Fed(), FakeKernel()
    proxy = ServiceProxy(fed, kernel, clock, Place("n1"))
    pages = health_pages(proxy, clock)
    async with TaskScope("t") as scope:
        scope.spawn(proxy.run(), "proxy")
        fed.synced()
        await proxy.wait_ready()
        await clock.sleep(2 * LATE_SECONDS)
        status, body = said(pages, b"/healthz")
        assert (status, body["nodeEligible"], body["lastUpdated"]) == (200, True, body["currentTime"])
        kernel.refuse = 1000
        fed.put(version(service(), 7))
        await clock.sleep(LATE_SECONDS - 5)
        assert said(pages, b"/livez?verbose")[0] == 200
        await clock.sleep(10)
        status, body = said(pages, b"/livez")
        assert status == 503
        assert body["lastUpdated"] < body["currentTime"]
        assert set(body) == {"lastUpdated", "currentTime"}
        kernel.refuse = 0
        await clock.sleep(5)
        assert said(pages, b"/healthz")[0] == 200


@pytest.mark.parametrize(
    ("more", "eligible"),
    [
        ({}, True),
        ({"spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}}, False),
        ({"metadata": {"name": "n1", "resourceVersion": "9", "deletionTimestamp": "2026-01-01T00:00:00Z"}}, False),
    ],
)
async def test_a_node_that_is_to_go_takes_no_more_traffic(
    clock: VirtualClock, more: dict[str, Any], eligible: bool
) -> None:
    fed = Fed()
    proxy = ServiceProxy(fed, FakeKernel(), clock, Place("n1"))
    pages = health_pages(proxy, clock)
    async with TaskScope("t") as scope:
        scope.spawn(proxy.run(), "proxy")
        fed.synced()
        await proxy.wait_ready()
        fed.put(from_builtins({"metadata": {"name": "n1", "resourceVersion": "9"}, **more}, Node))
        await clock.sleep(1)
        assert said(pages, b"/healthz") == (200 if eligible else 503, said(pages, b"/healthz")[1])
        assert said(pages, b"/healthz")[1]["nodeEligible"] is eligible
        assert said(pages, b"/livez")[0] == 200


def test_figures_and_other_pages(clock: VirtualClock) -> None:
    pages = metrics_pages(ServiceProxy(Fed(), FakeKernel(), clock, Place("n1")))
    figures = answer(pages, b"/metrics")
    assert isinstance(figures.body, bytes)
    assert b"kubeproxy_sync_proxy_rules_total 0" in figures.body
    assert answer(pages, b"/proxyMode").body == b"nftables"
    assert answer(pages, b"/healthz").body == b"ok"
    assert answer(pages, b"/nothing").status == 404
