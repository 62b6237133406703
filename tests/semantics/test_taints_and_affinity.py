"""Taints, node affinity and pod affinity, by table."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core.v1 import (
    Node,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodAffinityTerm,
    PodSpec,
    Taint,
    Toleration,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.semantics import node_affinity, pod_affinity, taints

DEDICATED = Taint(key="dedicated", value="db", effect="NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        (Toleration(key="dedicated", value="db"), True),
        (Toleration(key="dedicated", operator="Equal", value="web"), False),
        (Toleration(key="dedicated", operator="Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration(operator="Exists", effect="NoExecute"), False),
        (Toleration(key="other", operator="Exists"), False),
    ],
)
def test_tolerates(toleration: Toleration, expected: bool) -> None:
    assert taints.tolerates(toleration, DEDICATED) is expected


def test_shortest_toleration_counts() -> None:
    gone = Taint(key=taints.UNREACHABLE, effect="NoExecute")
    slow = Taint(key=taints.NOT_READY, effect="NoExecute")
    held = [
        Toleration(key=gone.key, operator="Exists", toleration_seconds=30),
        Toleration(key=slow.key, operator="Exists", toleration_seconds=300),
    ]
    assert taints.toleration_seconds([gone, slow], held) == 30.0
    assert taints.toleration_seconds([gone], held[1:]) == 0.0
    assert taints.toleration_seconds([gone], [Toleration(operator="Exists")]) is None


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        (NodeSelectorRequirement(key="zone", operator="In", values=("a", "b")), True),
        (NodeSelectorRequirement(key="zone", operator="NotIn", values=("a",)), False),
        (NodeSelectorRequirement(key="gone", operator="NotIn", values=("a",)), True),
        (NodeSelectorRequirement(key="zone", operator="Exists"), True),
        (NodeSelectorRequirement(key="zone", operator="DoesNotExist"), False),
        (NodeSelectorRequirement(key="cores", operator="Gt", values=("3",)), True),
        (NodeSelectorRequirement(key="cores", operator="Lt", values=("3",)), False),
        (NodeSelectorRequirement(key="zone", operator="Gt", values=("3",)), False),
    ],
)
def test_node_requirement(requirement: NodeSelectorRequirement, expected: bool) -> None:
    labels = {"zone": "a", "cores": "4"}
    assert node_affinity.term_matches(NodeSelectorTerm(match_expressions=(requirement,)), labels, "n") is expected


def test_empty_node_term_matches_nothing_and_selector_must_hold() -> None:
    node = Node(metadata=ObjectMeta(name="n", labels={"disk": "ssd"}))
    assert not node_affinity.term_matches(NodeSelectorTerm(), {}, "n")
    assert node_affinity.required_matches(PodSpec(node_selector={"disk": "ssd"}), node)
    assert not node_affinity.required_matches(PodSpec(node_selector={"disk": "hdd"}), node)


def test_pod_term_is_of_its_own_namespace_unless_told() -> None:
    owner = Pod(metadata=ObjectMeta(namespace="a"))
    mate = Pod(metadata=ObjectMeta(namespace="b", labels={"app": "x"}))
    selector = LabelSelector(match_labels={"app": "x"})
    term = PodAffinityTerm(label_selector=selector, topology_key="zone")
    assert not pod_affinity.compile_term(owner, term).matches(mate, {})
    everywhere = PodAffinityTerm(label_selector=selector, topology_key="zone", namespace_selector=LabelSelector())
    assert pod_affinity.compile_term(owner, everywhere).matches(mate, {})
