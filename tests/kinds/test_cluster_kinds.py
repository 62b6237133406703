"""Nodes, leases, events, flow schemas and priority levels: what is refused, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import Event
from pilothouse.kinds.coordination import lease
from pilothouse.kinds.core import event_rules, node
from pilothouse.kinds.flowcontrol import flowschema, prioritylevelconfiguration
from tests.kinds.asking import Body, made, refused, refused_change

TAINT = '{"Key":"k","Value":"w","Effect":"NoSchedule","TimeAdded":null}'


def taints(*found: tuple[str, str, str]) -> Body:
    return {"spec": {"taints": [{"key": key, "value": value, "effect": effect} for key, value, effect in found]}}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, []),
        (taints(("k", "v", "")), ["metadata.taints[0].effect: Required value"]),
        (
            taints(("k", "v", "NoSchedule"), ("k", "w", "NoSchedule")),
            [f"metadata.taints[1]: Duplicate value: {TAINT}: taints must be unique by key and effect pair"],
        ),
        (
            {"spec": {"podCIDR": "10.0.0.0"}},
            [
                'spec.podCIDRs[0]: Invalid value: "10.0.0.0": '
                "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            ],
        ),
        ({"spec": {"podCIDRs": ["10.0.0.0/24", "2001:db8::/64"]}}, []),
        (
            {"spec": {"podCIDRs": ["010.0.0.0/24", "2001:db8::1/64"]}},
            [
                'spec.podCIDRs[0]: Invalid value: "010.0.0.0/24": must not have leading 0s in IP or prefix length',
                'spec.podCIDRs[1]: Invalid value: "2001:db8::1/64": must not have bits set beyond the prefix length',
            ],
        ),
        (
            {"spec": {"podCIDRs": ["10.0.0.0/24", "10.0.0.0/24"]}},
            [
                'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.0.0/24"]: '
                "may specify no more than one CIDR for each IP family",
            ],
        ),
        (
            {"status": {"capacity": {"pods": "1500m"}, "allocatable": {"cpu": "-1"}}},
            [
                'status.capacity.pods: Invalid value: "1500m": must be an integer',
                'status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0',
            ],
        ),
        (
            {
                "metadata": {
                    "annotations": {"scheduler.alpha.kubernetes.io/preferAvoidPods": '{"preferAvoidPods":[{}]}'}
                }
            },
            ["metadata.annotations.scheduler.alpha.kubernetes.io/preferAvoidPods[0].PodSignature: Required value"],
        ),
    ],
)
def test_new_nodes(body: Body, expected: list[str]) -> None:
    assert refused(node.STRATEGY, body) == expected


def test_an_updated_node_is_checked_as_a_new_one_too() -> None:
    wrong = taints(("k", "", "Never"))
    supported = '"NoSchedule", "PreferNoSchedule", "NoExecute"'
    text = f'metadata.taints[0].effect: Unsupported value: "Never": supported values: {supported}'
    assert refused_change(node.STRATEGY, wrong, {}) == [text, text]
    assert refused_change(node.STRATEGY, wrong, {}, node.STRATEGY.status) == [text]


def test_what_stays_of_a_node() -> None:
    old = {"spec": {"podCIDR": "10.0.0.0/24", "providerID": "a://1", "externalID": "x"}}
    new = {"spec": {"podCIDR": "10.0.1.0/24", "providerID": "a://2"}}
    assert refused_change(node.STRATEGY, new, old) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
        "spec.externalID: Forbidden: may not be updated",
    ]
    twice = {"status": {"addresses": [{"type": "InternalIP", "address": "a"}] * 2}}
    assert refused_change(node.STRATEGY, twice, {}, node.STRATEGY.status) == [
        'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"a"}'
    ]


def test_both_forms_of_a_nodes_range() -> None:
    assert made(node.STRATEGY, {"spec": {"podCIDR": "a", "podCIDRs": ["b", "c"]}}).spec.pod_cidrs == ("a",)
    assert made(node.STRATEGY, {"spec": {"podCIDRs": ["b", "c"]}}).spec.pod_cidr == "b"


def test_leases() -> None:
    assert refused(lease.STRATEGY, {"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}}) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ]


def event(**parts: Any) -> Event:
    base = {"metadata": {"namespace": "ns"}, "involvedObject": {"namespace": "ns"}}
    return from_builtins({**base, **parts}, Event)


def test_old_events_lie_where_their_object_does() -> None:
    told = "does not match event.namespace"
    for about, own, fits in (("ns", "ns", True), ("other", "ns", False), ("", "default", True), ("", "ns", False)):
        found = event_rules.core_event(event(metadata={"namespace": own}, involvedObject={"namespace": about}))
        assert [e.detail for e in found] == ([] if fits else [told])


def test_new_events_are_strict() -> None:
    new = event(eventTime="2026-01-02T03:04:05.000000Z", type="Odd", count=1, series={"count": 1})
    assert {e.path for e in event_rules.new_event(new)} == {
        "reportingController",
        "reportingInstance",
        "action",
        "reason",
        "series.count",
        "series.lastObservedTime",
        "type",
        "count",
    }
    assert "reportingComponent" in {e.path for e in event_rules.core_event(new)}


def test_only_the_series_of_an_event_goes_on() -> None:
    good = {
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingComponent": "c",
        "reportingInstance": "i",
        "action": "a",
        "reason": "r",
    }
    series = {"count": 2, "lastObservedTime": "2026-01-02T03:04:06.000000Z"}
    assert event_rules.new_event_update(event(**good, series=series), event(**good)) == []
    found = event_rules.new_event_update(event(**{**good, "reason": "s"}), event(**good))
    assert [(e.path, e.detail) for e in found] == [("reason", "field is immutable")] * 2


def level(**parts: Any) -> Body:
    return {"metadata": {"name": "l"}, "spec": {"type": "Limited", **parts}}


def queues(**parts: int) -> Body:
    return level(limited={"limitResponse": {"type": "Queue", "queuing": parts}})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (queues(), []),
        (level(), ["spec.limited: Required value: must not be empty when type is Limited"]),
        (
            level(exempt={}, limited={"limitResponse": {"type": "Reject"}}),
            ["spec.exempt: Forbidden: must be nil if the type is Limited"],
        ),
        (
            {"metadata": {"name": "l"}, "spec": {"type": "Exempt"}},
            ["spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'"],
        ),
        (
            level(limited={"limitResponse": {"type": "Reject", "queuing": {}}}),
            ["spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited"],
        ),
        (
            queues(queues=100, handSize=10),
            [
                "spec.limited.limitResponse.queuing.handSize: Invalid value: 10: required entropy bits of deckSize 100 "
                "and handSize 10 should not be greater than 60"
            ],
        ),
        (
            {"metadata": {"name": "exempt"}, "spec": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 5}}},
            [],
        ),
    ],
)
def test_priority_levels(body: Body, expected: list[str]) -> None:
    assert refused(prioritylevelconfiguration.STRATEGY, body) == expected


def schema(name: str = "s", **parts: Any) -> Body:
    spec = {"matchingPrecedence": 5, "priorityLevelConfiguration": {"name": "l"}, **parts}
    return {"metadata": {"name": name}, "spec": spec}


USER = {"kind": "User", "user": {"name": "u"}}
GET = {"verbs": ["get"], "nonResourceURLs": ["/a/*"]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (schema(rules=[{"subjects": [USER], "nonResourceRules": [GET]}]), []),
        (
            schema(matchingPrecedence=1),
            ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"],
        ),
        (
            schema(rules=[{"subjects": [{"kind": "User", "group": {"name": "g"}}], "nonResourceRules": [GET]}]),
            [
                "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
                "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
            ],
        ),
        (
            schema(rules=[{"subjects": []}]),
            [
                "spec.rules[0].subjects: Required value: subjects must contain at least one value",
                "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
            ],
        ),
        (
            schema(
                rules=[{"subjects": [USER], "nonResourceRules": [{"verbs": ["*", "get"], "nonResourceURLs": ["a"]}]}]
            ),
            [
                'spec.rules[0].nonResourceRules[0].verbs: Invalid value: ["*","get"]: '
                "if '*' is present, must not specify other verbs",
                'spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "a": must start with slash',
            ],
        ),
    ],
)
def test_flow_schemas(body: Body, expected: list[str]) -> None:
    assert refused(flowschema.STRATEGY, body) == expected


def test_the_last_resort_is_fixed() -> None:
    (found,) = refused(flowschema.STRATEGY, schema("catch-all", matchingPrecedence=10000))
    assert found.endswith("spec of 'catch-all' must equal the fixed value")
