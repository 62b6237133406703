"""Each filter: which nodes it turns down, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import ContainerRestartRule, PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import CSINode, StorageClass
from tests.scheduler.build import Catalog, World, node, pod

ZONE = "topology.kubernetes.io/zone"
TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}


def near(kind: str, key: str = "kubernetes.io/hostname", **labels: str) -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": labels}}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def spread(skew: int, key: str = ZONE, **more: Any) -> dict[str, Any]:
    constraint = {
        "maxSkew": skew,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}},
        **more,
    }
    return {"topologySpreadConstraints": [constraint]}


ABOUT = "0/2 nodes are available: "
CASES: dict[str, tuple[list[Any], Any, str]] = {
    "cpu": ([node("a"), node("b")], pod("p", cpu="5"), ABOUT + "2 Insufficient cpu."),
    "cpu and memory": (
        [node("a", cpu="1"), node("b", memory="1Gi")],
        pod("p", cpu="2", memory="2Gi"),
        ABOUT + "1 Insufficient cpu, 1 Insufficient memory.",
    ),
    "both on one node": (
        [node("a")],
        pod("p", cpu="5", memory="9Gi"),
        "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
    ),
    "used up": (
        [node("a", cpu="2"), pod("q", cpu="1500m", on="a")],
        pod("p", cpu="501m"),
        "0/1 nodes are available: 1 Insufficient cpu.",
    ),
    "just enough": ([node("a", cpu="2"), pod("q", cpu="1500m", on="a")], pod("p", cpu="500m"), "-> a"),
    "too many pods": ([node("a", pods="1"), pod("q", on="a")], pod("p"), "0/1 nodes are available: 1 Too many pods."),
    "extended": (
        [node("a"), node("b", allocatable={"x.io/gpu": "1"})],
        pod("p", requests={"x.io/gpu": "2"}),
        ABOUT + "2 Insufficient x.io/gpu.",
    ),
    "cordoned": ([node("a", unschedulable=True), node("b")], pod("p"), "-> b"),
    "cordoned alone": (
        [node("a", unschedulable=True)],
        pod("p"),
        "0/1 nodes are available: 1 node(s) were unschedulable.",
    ),
    "cordon tolerated": (
        [node("a", unschedulable=True)],
        pod("p", tolerations=[{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]),
        "-> a",
    ),
    "taint": (
        [node("a", taints=[TAINT]), node("b", cpu="1")],
        pod("p", cpu="2"),
        ABOUT + "1 Insufficient cpu, 1 node(s) had untolerated taint(s).",
    ),
    "taint tolerated": (
        [node("a", taints=[TAINT])],
        pod("p", tolerations=[{"key": "k", "operator": "Exists"}]),
        "-> a",
    ),
    "selector": ([node("a", {"d": "hdd"}), node("b", {"d": "ssd"})], pod("p", nodeSelector={"d": "ssd"}), "-> b"),
    "no selector": (
        [node("a")],
        pod("p", nodeSelector={"d": "ssd"}),
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    ),
    "ports": (
        [node("a"), pod("q", on="a", ports=[{"containerPort": 1, "hostPort": 80, "hostIP": "10.0.0.1"}])],
        pod("p", ports=[{"containerPort": 1, "hostPort": 80}]),
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
    ),
    "ports of another protocol": (
        [node("a"), pod("q", on="a", ports=[{"containerPort": 1, "hostPort": 80, "protocol": "UDP"}])],
        pod("p", ports=[{"containerPort": 1, "hostPort": 80}]),
        "-> a",
    ),
    "ports of another address": (
        [node("a"), pod("q", on="a", ports=[{"containerPort": 1, "hostPort": 80, "hostIP": "10.0.0.1"}])],
        pod("p", ports=[{"containerPort": 1, "hostPort": 80, "hostIP": "10.0.0.2"}]),
        "-> a",
    ),
    "anti-affinity": (
        [node("a"), node("b", unschedulable=True), pod("q", {"app": "x"}, on="a")],
        pod("p", **near("podAntiAffinity", app="x")),
        ABOUT + "1 node(s) didn't match pod anti-affinity rules, 1 node(s) were unschedulable.",
    ),
    "anti-affinity of others": (
        [node("a"), pod("q", on="a", **near("podAntiAffinity", app="x"))],
        pod("p", {"app": "x"}),
        "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    ),
    "anti-affinity of another namespace": (
        [node("a"), pod("q", on="a", namespace="other", **near("podAntiAffinity", app="x"))],
        pod("p", {"app": "x"}),
        "-> a",
    ),
    "affinity": (
        [node("a"), node("b"), pod("q", {"app": "x"}, on="b")],
        pod("p", **near("podAffinity", app="x")),
        "-> b",
    ),
    "affinity to nobody": (
        [node("a")],
        pod("p", **near("podAffinity", app="x")),
        "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
    ),
    "affinity to itself": ([node("a")], pod("p", {"app": "x"}, **near("podAffinity", app="x")), "-> a"),
    "affinity in a zone": (
        [node("a", {ZONE: "z1"}), node("b", {ZONE: "z1"}, unschedulable=True), pod("q", {"app": "x"}, on="b")],
        pod("p", **near("podAffinity", ZONE, app="x")),
        "-> a",
    ),
    "spread": (
        [node("a", {ZONE: "z1"}), node("b", {ZONE: "z2"}), pod("q", {"app": "x"}, on="a")],
        pod("p", {"app": "x"}, **spread(1)),
        "-> b",
    ),
    "spread without the label": (
        [node("a", {ZONE: "z1"}), node("b"), pod("q", {"app": "x"}, on="a")],
        pod("p", {"app": "x"}, **spread(1, minDomains=2)),
        ABOUT
        + "1 node(s) didn't match pod topology spread constraints, "
        + "1 node(s) didn't match pod topology spread constraints (missing required label).",
    ),
    "spread over nodes that the selector allows": (
        [node("a", {ZONE: "z1", "d": "y"}), node("b", {ZONE: "z2"}), pod("q", {"app": "x"}, on="a")],
        pod("p", {"app": "x"}, nodeSelector={"d": "y"}, **spread(1)),
        "-> a",
    ),
    "spread does not count those that leave": (
        [
            node("a", {ZONE: "z1"}),
            node("b", {ZONE: "z2"}, unschedulable=True),
            pod("q", {"app": "x"}, on="a", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ],
        pod("p", {"app": "x"}, **spread(1)),
        "-> a",
    ),
    "no nodes": ([], pod("p"), "no nodes available to schedule pods"),
    "a claim to a device": (
        [node("a")],
        pod("p", resourceClaims=[{"name": "gpu", "resourceClaimName": "mine"}]),
        '0/1 nodes are available: could not find resourceclaim "mine".',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_filters(case: str) -> None:
    objects, wanted, said = CASES[case]
    assert World(*objects).message(wanted) == said


def claim(
    name: str, volume: str = "", modes: tuple[str, ...] = ("ReadWriteOnce",), **more: Any
) -> PersistentVolumeClaim:
    annotations = {"pv.kubernetes.io/bind-completed": "yes"} if volume else {}
    spec = {"volumeName": volume, "accessModes": modes, "resources": {"requests": {"storage": "1Gi"}}, **more}
    meta = {"name": name, "namespace": "default", "uid": f"c-{name}", "annotations": annotations}
    return from_builtins({"metadata": meta, "spec": spec}, PersistentVolumeClaim)


def volume(name: str, host: str = "", **more: Any) -> PersistentVolume:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}} if host else {}
    labels = more.pop("labels", {})
    spec = {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"], **affinity, **more}
    return from_builtins(
        {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": {"phase": "Available"}}, PersistentVolume
    )


def storage(name: str, mode: str, provisioner: str = "p.io/x", **more: Any) -> StorageClass:
    return from_builtins(
        {"metadata": {"name": name}, "volumeBindingMode": mode, "provisioner": provisioner, **more}, StorageClass
    )


def limited(name: str, count: int) -> CSINode:
    driver = {"name": "d.io", "nodeID": name, "allocatable": {"count": count}, "topologyKeys": None}
    return from_builtins({"metadata": {"name": name}, "spec": {"drivers": [driver]}}, CSINode)


USES = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
LATE = {"storageClassName": "late"}
CSI = {"csi": {"driver": "d.io", "volumeHandle": "h1"}}
VOLUMES: dict[str, tuple[list[Any], list[Any], str]] = {
    "no claim": ([], [node("a")], 'persistentvolumeclaim "data" not found.'),
    "immediate": ([claim("data")], [node("a")], "pod has unbound immediate PersistentVolumeClaims."),
    "bound elsewhere": (
        [claim("data", "v1"), volume("v1", "a")],
        [node("b")],
        "1 node(s) didn't match PersistentVolume's node affinity.",
    ),
    "bound here": ([claim("data", "v1"), volume("v1", "a")], [node("a"), node("b")], "-> a"),
    "volume gone": (
        [claim("data", "v1")],
        [node("a")],
        "1 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s).",
    ),
    "late, a volume on one node": (
        [
            claim("data", **LATE),
            storage("late", "WaitForFirstConsumer", "kubernetes.io/no-provisioner"),
            volume("v1", "b", **LATE),
        ],
        [node("a"), node("b")],
        "-> b",
    ),
    "late, none": (
        [claim("data", **LATE), storage("late", "WaitForFirstConsumer", "kubernetes.io/no-provisioner")],
        [node("a")],
        "1 node(s) didn't find available persistent volumes to bind.",
    ),
    "late, made": ([claim("data", **LATE), storage("late", "WaitForFirstConsumer")], [node("a")], "-> a"),
    "zone": (
        [claim("data", "v1"), volume("v1", labels={ZONE: "z2__z3"})],
        [node("a", {ZONE: "z1"})],
        "1 node(s) had no available volume zone.",
    ),
    "zone of two": ([claim("data", "v1"), volume("v1", labels={ZONE: "z2__z3"})], [node("a", {ZONE: "z3"})], "-> a"),
    "once in a pod": (
        [claim("data", "v1", ("ReadWriteOncePod",)), volume("v1")],
        [node("a"), pod("q", on="a", **USES)],
        "1 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode.",
    ),
    "limit": (
        [
            claim("data", "v1"),
            claim("more", "v2"),
            volume("v1", **CSI),
            volume("v2", csi={"driver": "d.io", "volumeHandle": "h2"}),
            limited("a", 1),
        ],
        [node("a"), pod("q", on="a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "more"}}])],
        "1 node(s) exceed max volume count.",
    ),
    "limit, shared": (
        [claim("data", "v1"), volume("v1", **CSI), limited("a", 1)],
        [node("a"), pod("q", on="a", **USES)],
        "-> a",
    ),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volumes(case: str) -> None:
    catalog, objects, said = VOLUMES[case]
    message = World(*objects, catalog=Catalog(*catalog)).message(pod("p", **USES))
    assert message == said if said.startswith("->") else message.endswith(": " + said)


ALL = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [1]}}]


def restarting(name: str) -> Any:
    made = pod(name)
    (container,) = made.spec.containers or ()
    rules = from_builtins(ALL, tuple[ContainerRestartRule, ...])
    return replace(
        made,
        spec=replace(made.spec, containers=(replace(container, restart_policy_rules=rules),), restart_policy="Never"),
    )


def test_declared_features() -> None:
    able = node("a", status={"declaredFeatures": ["RestartAllContainersOnContainerExits"]})
    world = World(node("b"))
    assert world.message(restarting("p")) == (
        "0/1 nodes are available: 1 node declared features check failed - unsatisfied requirements: "
        "RestartAllContainersOnContainerExits."
    )
    assert World(node("b"), able).decide(restarting("p")).node == "a"
    assert world.decide(pod("q")).node == "b"
    both = pod("r", hostNetwork=True, hostUsers=False)
    assert world.message(both).endswith("unsatisfied requirements: UserNamespacesHostNetworkSupport.")
    assert world.decide(pod("s", hostNetwork=True, hostUsers=True)).node == "b"


def test_the_promised_node_is_tried_first() -> None:
    world = World(node("a"), node("b"), node("c", cpu="100"))
    for name in ("a", "b"):
        found = pod("p", cpu="1")
        world.nominations.put(world.info(found), name)
        assert world.decide(found).node == name
    world.nominations.put(world.info(found), "gone")
    assert world.decide(found).node == "c"
    world.put(pod("full", cpu="4", on="b"))
    world.nominations.put(world.info(found), "b")
    assert world.decide(found).node == "c"


def named(*terms: list[list[str]]) -> dict[str, Any]:
    """Required node affinity: for each term, the lists of names that its fields allow."""
    found = [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": names} for names in fields]}
        for fields in terms
    ]
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": found}}}
    }


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([[["a"]]], "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."),
        (
            [[["a"]], [["b"]]],
            "0/3 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity], 2 Insufficient cpu.",
        ),
        (
            [[["a", "b"], ["b", "c"]]],
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
        ),
        ([[["a"], ["b"]]], "0/3 nodes are available: pod affinity terms conflict."),
        ([[["gone"]]], "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity]."),
    ],
)
def test_pods_that_name_their_node_ask_no_other(terms: Any, message: str) -> None:
    world = World(node("a"), node("b"), node("c", taints=[TAINT]))
    assert world.message(pod("p", cpu="5", **named(*terms))) == message


def test_a_pod_that_names_its_node_gets_it() -> None:
    world = World(*(node(name) for name in "abc"))
    for name in "abc":
        assert world.decide(pod("p", cpu="1", **named([[name]]))).node == name


def test_thousands_of_constraints_on_labels_that_no_node_has_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is worked out further: that would take the square of their number."""
    world = World(node("a"), node("b"))
    one = {"maxSkew": 1, "labelSelector": {}}
    for when, placed in (("DoNotSchedule", False), ("ScheduleAnyway", True)):
        many = [{**one, "topologyKey": f"k{i}", "whenUnsatisfiable": when} for i in range(2000)]
        columns: list[str] = []
        monkeypatch.setattr(world.snapshot, "domain_sums", lambda key, *more, columns=columns: columns.append(key))
        assert bool(world.decide(pod(f"p-{when}", topologySpreadConstraints=many)).node) is placed
        assert columns == []
