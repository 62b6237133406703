"""HorizontalPodAutoscalers: what is refused, in upstream's words, and what v1 makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.types.autoscaling import v1
from pilothouse.kinds.autoscaling import conversion
from pilothouse.kinds.autoscaling.horizontalpodautoscaler import STRATEGY
from tests.kinds.asking import Body, made, refused

TYPES = '"ContainerResource", "External", "Object", "Pods", "Resource"'
REF = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}


def autoscaler(*metrics: Body, **spec: Any) -> Body:
    return {"spec": {"maxReplicas": 3, "scaleTargetRef": REF, "metrics": list(metrics), **spec}}


def pods(target: Body) -> Body:
    return {"metric": {"name": "m"}, "target": target}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (autoscaler({"type": "Pods", "pods": pods({"type": "AverageValue", "averageValue": "1"})}), []),
        (
            autoscaler({"type": ""}),
            [
                "spec.metrics[0].type: Required value: must specify a metric source type",
                *[f'spec.metrics[0].type: Unsupported value: "": supported values: {TYPES}'] * 2,
            ],
        ),
        (
            autoscaler({"type": "Resource", "pods": pods({"type": "AverageValue", "averageValue": "1"})}),
            ["spec.metrics[0].resource: Required value: must populate information for the given metric source"],
        ),
        (
            autoscaler({"type": "External", "external": pods({})}),
            [
                "spec.metrics[0].external.target.type: Required value: must specify a metric target type",
                'spec.metrics[0].external.target.type: Invalid value: "": '
                "must be either Utilization, Value, or AverageValue",
                "spec.metrics[0].external.target.averageValue: Required value: "
                "must set either a target value for metric or a per-pod target",
            ],
        ),
        (
            autoscaler(behavior={"scaleUp": {"policies": []}}),
            ["spec.behavior.scaleUp.policies: Required value: must specify at least one Policy"],
        ),
        (autoscaler(behavior={"scaleUp": {}}), []),
    ],
)
def test_refusals(body: Body, expected: list[str]) -> None:
    assert refused(STRATEGY, body) == expected


def test_v1_without_a_target_means_the_default() -> None:
    (metric,) = conversion.to_v2(v1.HorizontalPodAutoscaler()).spec.metrics
    assert metric.resource is not None
    assert metric.resource.target.average_utilization == 80


def test_unset_policies_are_the_defaults() -> None:
    rules = made(STRATEGY, autoscaler(behavior={"scaleDown": {"selectPolicy": "Min"}})).spec.behavior
    assert [policy.type for policy in rules.scale_down.policies] == ["Percent"]
    assert len(rules.scale_up.policies) == 2
