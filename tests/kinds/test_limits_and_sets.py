"""Quotas, runtime classes, revisions and what makes pods: what is refused, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.kinds.apps import controllerrevision, daemonset, deployment, replicaset, statefulset
from pilothouse.kinds.batch import job
from pilothouse.kinds.core import replicationcontroller, resourcequota
from pilothouse.kinds.node import runtimeclass
from tests.kinds.asking import Body, merged, refused, refused_change


def quota(**spec: Any) -> Body:
    return {"metadata": {"name": "q"}, "spec": spec}


def scoped(**wanted: Any) -> Body:
    return quota(scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass", **wanted}]})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (quota(hard={"pods": "10", "requests.hugepages-2Mi": "4Mi", "count/x.example.com": "1"}), []),
        (
            quota(hard={"pods": "1500m"}),
            ['spec.hard[pods]: Invalid value: "1500m": must be an integer'],
        ),
        (
            quota(hard={"storage": "1"}),
            ['spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota'],
        ),
        (
            quota(hard={"cpu": "1", "secrets": "1"}, scopes=["BestEffort"]),
            ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'] * 2,
        ),
        (quota(scopes=["Odd"]), ['spec.scopes: Invalid value: ["Odd"]: unsupported scope']),
        (
            quota(scopes=["Terminating", "NotTerminating"]),
            ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'],
        ),
        (scoped(operator="In", values=["high"]), []),
        (
            scoped(operator="In"),
            [
                "spec.scopeSelector.matchExpressions.values: Required value: "
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            ],
        ),
        (
            scoped(operator="Odd"),
            ['spec.scopeSelector.matchExpressions.operator: Invalid value: "Odd": not a valid selector operator'],
        ),
    ],
)
def test_quotas(body: Body, expected: list[str]) -> None:
    assert refused(resourcequota.STRATEGY, body) == expected


def test_the_scopes_of_a_quota_stay() -> None:
    assert refused_change(resourcequota.STRATEGY, quota(), quota(scopes=["BestEffort"])) == [
        "spec.scopes: Invalid value: null: field is immutable"
    ]
    status = {"status": {"used": {"pods": "-1"}}}
    assert refused_change(resourcequota.STRATEGY, status, quota(), resourcequota.STRATEGY.status) == [
        'status.used[pods]: Invalid value: "-1": must be greater than or equal to 0'
    ]


def test_runtime_classes() -> None:
    assert refused(runtimeclass.STRATEGY, {"handler": "h", "overhead": {"podFixed": {"widgets": "1"}}}) == [
        'overhead.limits[widgets]: Invalid value: "widgets": must be a standard resource type or fully qualified',
        'overhead.limits[widgets]: Invalid value: "widgets": must be a standard resource for containers',
    ]
    assert refused_change(runtimeclass.STRATEGY, {"handler": "i"}, {"handler": "h"}) == [
        'handler: Invalid value: "i": field is immutable'
    ]


def test_revisions_are_fixed() -> None:
    old = {"data": {"a": 1}, "revision": 1}
    assert refused(controllerrevision.STRATEGY, {"revision": -1}) == [
        "data: Required value: data is mandatory",
        "revision: Invalid value: -1: must be greater than or equal to 0",
    ]
    assert refused_change(controllerrevision.STRATEGY, {"data": {"a": 2}, "revision": 2}, old) == [
        'data: Invalid value: {"a":2}: field is immutable'
    ]


LABELS = {"a": "b"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
SET: Body = {"metadata": {"name": "s"}, "spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}}
CONTROLLER: Body = {"metadata": {"name": "s"}, "spec": {"selector": LABELS, "template": TEMPLATE}}


@pytest.mark.parametrize(
    ("strategy", "body", "times"),
    [
        (deployment.STRATEGY, SET, 1),
        (statefulset.STRATEGY, SET, 1),
        (replicaset.STRATEGY, SET, 1),
        (daemonset.STRATEGY, SET, 1),
        (replicationcontroller.STRATEGY, CONTROLLER, 1),
    ],
)
def test_how_often_an_update_tells_what_is_wrong(strategy: Any, body: Body, times: int) -> None:
    new = merged(body, {"spec": {"minReadySeconds": -1}})
    text = "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"
    found = [error for error in refused_change(strategy, new, body) if error == text]
    assert len(found) == times


def test_completions_of_an_indexed_job_go_with_its_parallelism() -> None:
    old = {
        "spec": {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "manualSelector": True, **SET["spec"]}
    }
    old["metadata"] = {"name": "j"}
    old["spec"]["template"] = merged(TEMPLATE, {"spec": {"restartPolicy": "Never"}})
    assert refused_change(job.STRATEGY, merged(old, {"spec": {"completions": 3, "parallelism": 3}}), old) == []
    assert refused_change(job.STRATEGY, merged(old, {"spec": {"completions": 3}}), old) == [
        "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"
    ]


def test_the_count_of_collisions_only_grows() -> None:
    for strategy in (deployment.STRATEGY, daemonset.STRATEGY, statefulset.STRATEGY):
        old = merged(SET, {"status": {"collisionCount": 2}})
        found = refused_change(strategy, merged(SET, {"status": {"collisionCount": 1}}), old, strategy.status)
        assert found == ["status.collisionCount: Invalid value: 1: cannot be decremented"]
