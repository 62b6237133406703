"""HorizontalPodAutoscaler: stored as autoscaling/v2, served as v1 too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.autoscaling import v1
from pilothouse.api.types.autoscaling.v2 import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HPAScalingPolicy,
    HPAScalingRules,
)
from pilothouse.kinds.autoscaling import conversion, metrics, rules
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, ServedVersion, Status, Strategy

_UP = HPAScalingRules(
    stabilization_window_seconds=0,
    select_policy="Max",
    policies=(
        HPAScalingPolicy(type="Pods", value=4, period_seconds=15),
        HPAScalingPolicy(type="Percent", value=100, period_seconds=15),
    ),
)
_DOWN = HPAScalingRules(select_policy="Max", policies=(HPAScalingPolicy(type="Percent", value=100, period_seconds=15),))


def defaults(obj: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    spec = obj.spec
    changes: dict[str, Any] = {}
    if spec.min_replicas is None:
        changes["min_replicas"] = 1
    if not spec.metrics:
        changes["metrics"] = (conversion.cpu_metric(conversion.DEFAULT_CPU),)
    if spec.behavior is not None:
        behavior = HorizontalPodAutoscalerBehavior(
            scale_up=_rules(spec.behavior.scale_up, _UP), scale_down=_rules(spec.behavior.scale_down, _DOWN)
        )
        if behavior != spec.behavior:
            changes["behavior"] = behavior
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def _rules(found: HPAScalingRules | None, default: HPAScalingRules) -> HPAScalingRules:
    """`default` with what `found` says."""
    if found is None:
        return default
    said: dict[str, Any] = {
        name: value
        for name in ("stabilization_window_seconds", "select_policy", "policies", "tolerance")
        if (value := getattr(found, name)) is not None
    }
    return replace(default, **said)


def v1_defaults(obj: v1.HorizontalPodAutoscaler) -> v1.HorizontalPodAutoscaler:
    if obj.spec.min_replicas is not None:
        return obj
    return replace(obj, spec=replace(obj.spec, min_replicas=1))


def row(obj: HorizontalPodAutoscaler, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    return (
        obj.metadata.name,
        f"{spec.scale_target_ref.kind}/{spec.scale_target_ref.name}",
        metrics.told(spec.metrics, status.current_metrics or ()),
        "<unset>" if spec.min_replicas is None else str(spec.min_replicas),
        spec.max_replicas,
        status.current_replicas,
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=HorizontalPodAutoscaler,
    prefix="horizontalpodautoscalers",
    defaults=defaults,
    versions={"autoscaling/v1": ServedVersion(conversion.V1, conversion.to_v2, conversion.to_v1, v1_defaults)},
    validate=rules.validate,
    status=Status(validate=rules.validate_status),
    row=row,
)
