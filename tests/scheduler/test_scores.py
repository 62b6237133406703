"""Each score, in figures that follow from the documented formulas."""

from __future__ import annotations

from typing import Any

from pilothouse.api.selectors import of_labels
from tests.scheduler.build import World, node, pod

ZONE = "topology.kubernetes.io/zone"


def soft(kind: str, weight: int, key: str = "kubernetes.io/hostname", **labels: str) -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": labels}}
    preferred = [{"weight": weight, "podAffinityTerm": term}]
    return {"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}}


def test_least_allocated() -> None:
    world = World(
        node("a", cpu="4", memory="10Gi"), node("b", cpu="4", memory="10Gi"), pod("q", cpu="3", memory="5Gi", on="a")
    )
    scores = world.scores("NodeResourcesFit", pod("p", cpu="1", memory="1Gi"))
    assert scores == {"a": (0 + 40) // 2, "b": (75 + 90) // 2}


def test_containers_without_requests_still_count() -> None:
    world = World(node("a", cpu="1", memory="2000Mi"), node("b", cpu="1", memory="2000Mi"), pod("q", on="a"))
    assert world.scores("NodeResourcesFit", pod("p")) == {"a": 80.0, "b": 90.0}


def test_balanced_allocation() -> None:
    world = World(
        node("a", cpu="4", memory="4Gi"), pod("q", cpu="3", memory="0", on="a"), node("b", cpu="4", memory="4Gi")
    )
    scores = world.scores("NodeResourcesBalancedAllocation", pod("p", cpu="1", memory="1Gi"))
    assert scores == {"a": 75.0, "b": 75.0}
    mending = world.scores("NodeResourcesBalancedAllocation", pod("p", memory="3Gi"))
    assert mending == {"a": 50.0 + (50 + 100 - 62) // 2, "b": 50.0 + (50 + 62 - 100) // 2}
    spoiling = world.scores("NodeResourcesBalancedAllocation", pod("p", cpu="4"))
    assert spoiling == {"a": 50.0 + (50 + 50 - 62) // 2, "b": 50.0}
    assert world.scores("NodeResourcesBalancedAllocation", pod("p")) == {}


def test_soft_taints() -> None:
    taints = [{"key": k, "effect": "PreferNoSchedule"} for k in ("x", "y")]
    world = World(node("a", taints=taints), node("b", taints=taints[:1]), node("c"))
    assert world.scores("TaintToleration", pod("p")) == {"a": 0.0, "b": 50.0, "c": 100.0}
    tolerant = pod("p", tolerations=[{"operator": "Exists"}])
    assert world.scores("TaintToleration", tolerant) == {}


def test_preferred_node_affinity() -> None:
    terms = [
        {"weight": weight, "preference": {"matchExpressions": [{"key": "d", "operator": "In", "values": [value]}]}}
        for weight, value in ((20, "ssd"), (5, "hdd"))
    ]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}
    world = World(node("a", {"d": "ssd"}), node("b", {"d": "hdd"}), node("c"))
    assert world.scores("NodeAffinity", pod("p", affinity=affinity)) == {"a": 100.0, "b": 25.0, "c": 0.0}


def test_images() -> None:
    images = [{"names": ["app:1"], "sizeBytes": 1023 * 1024 * 1024}]
    world = World(node("a", status={"images": images}), node("b"))
    scores = world.scores("ImageLocality", pod("p", image="app:1"))
    assert scores["b"] == 0.0
    assert scores["a"] == 50.0
    assert world.scores("ImageLocality", pod("p", image="other")) == {}
    world.snapshot.drop_node("a")
    assert world.scores("ImageLocality", pod("p", image="app:1")) == {}


def test_preferred_pod_affinity() -> None:
    world = World(node("a"), node("b"), node("c"), pod("q", {"app": "x"}, on="a"), pod("r", {"app": "y"}, on="b"))
    assert world.scores("InterPodAffinity", pod("p", **soft("podAffinity", 10, app="x"))) == {"a": 100, "b": 0, "c": 0}
    away = world.scores("InterPodAffinity", pod("p", **soft("podAntiAffinity", 10, app="y")))
    assert away == {"a": 100, "b": 0, "c": 100}


def test_those_who_are_there_have_wishes_too() -> None:
    holder = pod("q", on="a", **soft("podAntiAffinity", 7, app="x"))
    world = World(node("a"), node("b"), holder)
    assert world.scores("InterPodAffinity", pod("p", {"app": "x"})) == {"a": 0, "b": 100}
    world.snapshot.drop_pod("uid-q")
    assert world.scores("InterPodAffinity", pod("p", {"app": "x"})) == {}


def test_spread_by_default_over_what_selects_the_pod() -> None:
    mine = {"app": "x"}
    world = World(node("a", {ZONE: "1"}), node("b", {ZONE: "2"}), pod("q", mine, on="a"), selector=of_labels(mine))
    scores = world.scores("PodTopologySpread", pod("p", mine))
    assert scores["b"] > scores["a"]
    assert world.decide(pod("p", mine, cpu="1")).node == "b"


def test_the_default_constraints_allow_a_skew_of_three_on_hosts_and_five_in_zones() -> None:
    mine = {"app": "x"}
    nodes = (node("a", {ZONE: "1"}), node("b", {ZONE: "2"}), node("c"))
    world = World(*nodes, pod("q", mine, on="a"), selector=of_labels(mine))
    # Points: a has log(3+2)+3-1 of its host and log(2+2)+5-1 of its zone, b 2+4, c, which has no zone, 2.
    assert world.scores("PodTopologySpread", pod("p", mine)) == {"a": 22.0, "b": 55.0, "c": 100.0}


def test_nodes_without_the_label_get_nothing_from_own_constraints() -> None:
    constraint = {
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "x"}},
    }
    world = World(node("a", {ZONE: "1"}), node("b", {ZONE: "2"}), node("c"), pod("q", {"app": "x"}, on="a"))
    scores = world.scores("PodTopologySpread", pod("p", {"app": "x"}, topologySpreadConstraints=[constraint]))
    assert scores["c"] == 0.0
    assert scores["b"] == 100.0
    assert scores["a"] < 100.0
