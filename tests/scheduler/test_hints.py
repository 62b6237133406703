"""Which events are worth another attempt for a pod that inter-pod affinity turned down."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.scheduler.framework import Change, ClusterEvent
from pilothouse.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pilothouse.scheduler.snapshot import Profiles
from tests.scheduler.build import node, pod

ZONE = "zone"


def terms(kind: str, *labels: str, **more: Any) -> dict[str, Any]:
    found = [{"topologyKey": ZONE, "labelSelector": {"matchLabels": {"app": app}}, **more} for app in labels]
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": found}}}


NEAR, AWAY = terms("podAffinity", "web"), terms("podAntiAffinity", "web", "db")
NEAR_ANYWHERE = terms("podAffinity", "web", namespaceSelector={})


def other(app: str, namespace: str = "default", **spec: Any) -> Any:
    return pod("other", {"app": app}, namespace=namespace, on="a", **spec)


@pytest.mark.parametrize(
    ("waiting", "change", "old", "new", "worth"),
    [
        (NEAR, Change.POD_PLACED, None, other("web"), True),
        (NEAR, Change.POD_PLACED, None, other("db"), False),
        (NEAR, Change.POD_PLACED, None, other("web", "elsewhere"), False),
        (NEAR_ANYWHERE, Change.POD_PLACED, None, other("web", "elsewhere"), True),
        (AWAY, Change.POD_PLACED, None, other("web"), False),
        ({}, Change.POD_PLACED, None, other("web"), False),
        (NEAR, Change.POD_GONE, other("web"), None, False),
        (AWAY, Change.POD_GONE, other("web"), None, True),
        (AWAY, Change.POD_GONE, other("db"), None, True),
        (AWAY, Change.POD_GONE, other("else"), None, False),
        # What is there may want this one away; this one is app=me.
        ({}, Change.POD_GONE, other("web", **terms("podAntiAffinity", "me")), None, True),
        ({}, Change.POD_GONE, other("web", **terms("podAntiAffinity", "you")), None, False),
        (NEAR, Change.POD_CHANGED, other("db"), other("web"), True),
        (NEAR, Change.POD_CHANGED, other("web"), other("web"), False),
        (NEAR, Change.POD_CHANGED, other("web"), other("db"), False),
        (AWAY, Change.POD_CHANGED, other("web"), other("else"), True),
        (AWAY, Change.POD_CHANGED, other("else"), other("web"), False),
        (NEAR, Change.NODE_ADDED, None, node("n", {ZONE: "a"}), True),
        (NEAR, Change.NODE_ADDED, None, node("n"), False),
        (AWAY, Change.NODE_ADDED, None, node("n"), True),
        (NEAR, Change.NODE_LABELS, node("n"), node("n", {ZONE: "a"}), True),
        (NEAR, Change.NODE_LABELS, node("n", {ZONE: "a"}), node("n", {ZONE: "b"}), True),
        (NEAR, Change.NODE_LABELS, node("n", {ZONE: "a"}), node("n"), False),
        (NEAR, Change.NODE_LABELS, node("n", {ZONE: "a"}), node("n", {ZONE: "a", "x": "y"}), False),
        (AWAY, Change.NODE_LABELS, node("n", {ZONE: "a"}), node("n"), True),
        (AWAY, Change.NODE_LABELS, node("n"), node("n", {ZONE: "a"}), False),
    ],
)
def test_inter_pod_affinity(waiting: dict[str, Any], change: Change, old: Any, new: Any, worth: bool) -> None:
    info = Profiles().info(pod("waiting", {"app": "me"}, **waiting))
    hint = InterPodAffinity.events[change]
    assert hint is not None
    assert hint(info, ClusterEvent(change, old, new)) is worth
