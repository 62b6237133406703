"""Covering, compaction and aggregation of RBAC rules."""

from __future__ import annotations

from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.api.types.rbac.v1 import AggregationRule, ClusterRole, PolicyRule
from pilothouse.semantics.rbac import aggregate, compact, describe, missing


def rule(verbs: str, groups: str = "", resources: str = "pods", names: str = "") -> PolicyRule:
    return PolicyRule(
        verbs=tuple(verbs.split(",")),
        api_groups=tuple(groups.split(",")),
        resources=tuple(resources.split(",")),
        resource_names=tuple(names.split(",")) if names else (),
    )


def told(held: list[PolicyRule], wanted: list[PolicyRule]) -> list[str]:
    return sorted({describe(r) for r in compact(missing(held, wanted))})


def test_what_is_held_covers_parts_of_it() -> None:
    held = [rule("get,list", resources="pods,secrets")]
    assert told(held, [rule("get"), rule("list", resources="secrets", names="a,b")]) == []


def test_what_is_missing_is_told_compactly() -> None:
    assert told([rule("get")], [rule("get,list,watch"), rule("get", resources="secrets")]) == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
    ]
    paths = PolicyRule(verbs=("get",), non_resource_urls=("/metrics", "/healthz"))
    held = PolicyRule(verbs=("get",), non_resource_urls=("/healthz*",))
    assert told([held], [paths]) == ['{NonResourceURLs:["/metrics"], Verbs:["get"]}']


def test_stars_are_covered_by_stars_only() -> None:
    assert told([rule("get")], [rule("*")]) == ['{APIGroups:[""], Resources:["pods"], Verbs:["*"]}']
    assert told([rule("*", "*", "*")], [rule("*", "*", "*"), rule("get", "x", "y/z", "n")]) == []
    assert told([rule("get", resources="*/scale")], [rule("get", resources="pods/scale")]) == []
    assert told([rule("get", names="a")], [rule("get")]) == ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}']


def test_aggregation_follows_labels_and_keeps_each_rule_once() -> None:
    def role(name: str, *rules: PolicyRule, **labels: str) -> ClusterRole:
        return ClusterRole(metadata=ObjectMeta(name=name, labels=labels), rules=rules)

    selector = LabelSelector(match_labels={"to": "sum"})
    total = ClusterRole(
        metadata=ObjectMeta(name="sum", labels={"to": "sum"}),
        aggregation_rule=AggregationRule(cluster_role_selectors=(selector, selector)),
    )
    others = [
        role("b", rule("get"), rule("list"), to="sum"),
        role("a", rule("get"), to="sum"),
        role("c", rule("watch")),
    ]
    assert aggregate(total, [total, *others]) == (rule("get"), rule("list"))
