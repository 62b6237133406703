"""Whatever comes and goes: no node is ever given more than it has, and columns say what plain sums say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.types.core.v1 import Node, Pod
from pilothouse.scheduler.framework import Cycle
from pilothouse.scheduler.snapshot.pods import amount, host_ports
from pilothouse.semantics import node_affinity, taints
from pilothouse.semantics.requests import pod_requests
from tests.scheduler.build import World, node, pod

ZONE = "topology.kubernetes.io/zone"
TAINTS = [{"key": "k", "value": "v", "effect": "NoSchedule"}, {"key": "k", "value": "v", "effect": "PreferNoSchedule"}]


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    labels = {ZONE: draw(st.sampled_from(["z1", "z2"]))} if draw(st.booleans()) else {}
    return node(
        name,
        labels,
        cpu=draw(st.sampled_from(["1", "2500m"])),
        memory=draw(st.sampled_from(["1Gi", "4Gi"])),
        pods=draw(st.sampled_from(["2", "10"])),
        unschedulable=draw(st.sampled_from([False, False, True])),
        taints=draw(st.sampled_from([[], [], TAINTS[:1], TAINTS[1:]])),
    )


@st.composite
def pods(draw: st.DrawFn, name: str) -> Pod:
    spec: dict[str, Any] = {}
    labels = {"app": draw(st.sampled_from(["x", "y"]))}
    choice = draw(st.integers(0, 6))
    term = {
        "topologyKey": draw(st.sampled_from([ZONE, "kubernetes.io/hostname"])),
        "labelSelector": {"matchLabels": {"app": "x"}},
    }
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    if choice == 1:
        spec["affinity"] = {"podAntiAffinity": required}
    elif choice == 2:
        spec["affinity"] = {"podAffinity": required}
    elif choice == 3:
        spec["nodeSelector"] = {ZONE: "z1"}
    elif choice == 4:
        spec["tolerations"] = [{"operator": "Exists"}]
    elif choice == 5:
        spec["ports"] = [{"containerPort": 1, "hostPort": draw(st.sampled_from([80, 81]))}]
    elif choice == 6:
        constraint = {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **term}
        spec["topologySpreadConstraints"] = [constraint]
    return pod(
        name,
        labels,
        cpu=draw(st.sampled_from(["", "100m", "900m"])),
        memory=draw(st.sampled_from(["", "512Mi"])),
        **spec,
    )


def accepts(
    target: Node, there: list[Pod], everybody: dict[str, list[Pod]], all_nodes: dict[str, Node], new: Pod
) -> bool:
    """Whether a node may take a pod: the rules in plain words, one node at a time."""
    held = target.status.allocatable
    total: Counter[str] = Counter()
    for one in (*there, new):
        total.update({k: amount(k, v) for k, v in pod_requests(one).items()})
    if any(total[k] > amount(k, held[k].value) for k, v in pod_requests(new).items() if v):
        return False
    if len(there) + 1 > amount("pods", held["pods"].value):
        return False
    closed = target.spec.unschedulable and not new.spec.tolerations
    if closed or taints.find_untolerated(target.spec.taints, new.spec.tolerations):
        return False
    if not node_affinity.required_matches(new.spec, target):
        return False
    if any(a.clashes(b) for one in there for a in host_ports(one.spec) for b in host_ports(new.spec)):
        return False
    return _company(target, everybody, all_nodes, new) and _spread(target, everybody, all_nodes, new)


def _domain(target: Node, key: str, all_nodes: dict[str, Node]) -> list[str]:
    value = target.metadata.labels.get(key)
    return [n for n, other in all_nodes.items() if value is not None and other.metadata.labels.get(key) == value]


def _company(target: Node, everybody: dict[str, list[Pod]], all_nodes: dict[str, Node], new: Pod) -> bool:
    affinity = new.spec.affinity
    for rule, wanted in ((affinity and affinity.pod_affinity, True), (affinity and affinity.pod_anti_affinity, False)):
        for term in rule.required_during_scheduling_ignored_during_execution if rule else ():
            labels = term.label_selector.match_labels
            near = [p for n in _domain(target, term.topology_key, all_nodes) for p in everybody[n]]
            found = any(labels.items() <= p.metadata.labels.items() for p in near)
            if wanted:
                labelled = [
                    p
                    for n, held in everybody.items()
                    if term.topology_key in all_nodes[n].metadata.labels
                    for p in held
                    if labels.items() <= p.metadata.labels.items()
                ]
                alone = not labelled and labels.items() <= new.metadata.labels.items()
                if term.topology_key not in target.metadata.labels or not (found or alone):
                    return False
            elif found:
                return False
    for name, held in everybody.items():
        for other in held:
            rule = other.spec.affinity and other.spec.affinity.pod_anti_affinity
            for term in rule.required_during_scheduling_ignored_during_execution if rule else ():
                same = target.metadata.name in _domain(all_nodes[name], term.topology_key, all_nodes)
                if same and term.label_selector.match_labels.items() <= new.metadata.labels.items():
                    return False
    return True


def _spread(target: Node, everybody: dict[str, list[Pod]], all_nodes: dict[str, Node], new: Pod) -> bool:
    for constraint in new.spec.topology_spread_constraints:
        key, labels = constraint.topology_key, constraint.label_selector.match_labels
        if key not in target.metadata.labels:
            return False
        counts: Counter[str] = Counter()
        for name, other in all_nodes.items():
            if key in other.metadata.labels and node_affinity.required_matches(new.spec, other):
                counts[other.metadata.labels[key]] += sum(
                    labels.items() <= p.metadata.labels.items() for p in everybody[name]
                )
        itself = labels.items() <= new.metadata.labels.items()
        if counts[target.metadata.labels[key]] + itself - min(counts.values(), default=0) > constraint.max_skew:
            return False
    return True


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_vectorised_equals_plain_and_nothing_is_overcommitted(data: st.DataObject) -> None:
    """Nodes and pods come, go and change; before each placement the feasible nodes are those of the plain rules."""
    world = World()
    all_nodes: dict[str, Node] = {}
    placed: dict[str, list[Pod]] = {}
    for step in range(data.draw(st.integers(3, 14))):
        action = data.draw(st.sampled_from(["node", "pod", "pod", "pod", "leave", "gone"]))
        if action == "node":
            name = data.draw(st.sampled_from("abcde"))
            new_node = data.draw(nodes(name))
            placed.setdefault(name, [])
            all_nodes[name] = new_node
            world.put(new_node)
        elif action == "pod":
            new = data.draw(pods(f"p{step}"))
            cycle = Cycle(world.info(new), world.snapshot)
            outcome = world.framework.filter(cycle, world.snapshot.view())
            feasible = {world.snapshot.records[row].name for row in np.flatnonzero(outcome.feasible)}
            assert feasible == {n for n, t in all_nodes.items() if accepts(t, placed[n], placed, all_nodes, new)}
            one_by_one = [
                bool(world.framework.filter(cycle, world.snapshot.at(row)).feasible[0])
                for row in range(len(world.snapshot))
            ]
            assert one_by_one == outcome.feasible.tolist()
            chosen = world.decide(new).node
            assert (chosen in feasible) if feasible else chosen == ""
            if chosen:
                world.snapshot.put_pod(world.info(new), chosen)
                placed[chosen].append(new)
        elif action == "leave" and any(placed.values()):
            name = data.draw(st.sampled_from(sorted(n for n, held in placed.items() if held)))
            leaving = placed[name].pop(0)
            assert world.snapshot.drop_pod(leaving.metadata.uid) is not None
        elif action == "gone" and all_nodes:
            name = data.draw(st.sampled_from(sorted(all_nodes)))
            for one in placed.pop(name):
                world.snapshot.drop_pod(one.metadata.uid)
            del all_nodes[name]
            world.snapshot.drop_node(name)


def test_pods_wait_for_their_node_to_be_known() -> None:
    world = World(pod("q", cpu="3", on="late"))
    world.put(node("late", cpu="4"))
    assert world.decide(pod("p", cpu="2")).node == ""
    world.snapshot.drop_node("late")
    world.put(node("late", cpu="4"))
    assert world.decide(pod("p", cpu="2")).node == ""
    world.snapshot.drop_pod("uid-q")
    assert world.decide(pod("p", cpu="2")).node == "late"


def test_equal_pods_share_a_profile() -> None:
    world = World()
    assert world.info(pod("a", cpu="1")).profile is world.info(pod("b", cpu="1")).profile
    assert world.info(pod("a", cpu="1")).profile is not world.info(pod("b", cpu="2")).profile


def test_columns_grow() -> None:
    world = World(*(node(f"n{i}") for i in range(300)))
    assert len(world.snapshot) == 300
    assert world.decide(pod("p", nodeSelector={"kubernetes.io/hostname": "n299"})).node == "n299"
