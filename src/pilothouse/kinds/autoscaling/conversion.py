"""autoscaling/v1 from and to v2: v1 knows one CPU metric; all else travels in annotations as JSON.

Metrics and their status are written as v2beta1 had them (autoscaling/v1 still has those types), behavior with Go's
field names, as the reference does. Writing through v1 moves the CPU metric to the end.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.codec.json import decode, encode
from pilothouse.api.types.autoscaling import v1, v2
from pilothouse.kinds.autoscaling import metrics

V1 = v1.HorizontalPodAutoscaler
PREFIX = "autoscaling.alpha.kubernetes.io/"
DEFAULT_CPU = 80
METRICS, CURRENT = PREFIX + "metrics", PREFIX + "current-metrics"
CONDITIONS, BEHAVIOR = PREFIX + "conditions", PREFIX + "behavior"
_CARRIED = frozenset({METRICS, CURRENT, CONDITIONS, BEHAVIOR})


def is_cpu(metric: v2.MetricSpec) -> bool:
    resource = metric.resource
    return resource is not None and resource.name == "cpu" and resource.target.average_utilization is not None


def to_v1(obj: v2.HorizontalPodAutoscaler) -> v1.HorizontalPodAutoscaler:
    spec, status = obj.spec, obj.status
    cpu = next((m.resource for m in spec.metrics if is_cpu(m) and m.resource is not None), None)
    return v1.HorizontalPodAutoscaler(
        metadata=_with_annotations(obj),
        spec=v1.HorizontalPodAutoscalerSpec(
            scale_target_ref=reference(v1, spec.scale_target_ref),
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            target_cpu_utilization_percentage=cpu.target.average_utilization if cpu is not None else None,
        ),
        status=v1.HorizontalPodAutoscalerStatus(
            observed_generation=status.observed_generation,
            last_scale_time=status.last_scale_time,
            current_replicas=status.current_replicas,
            desired_replicas=status.desired_replicas,
            current_cpu_utilization_percentage=_current_cpu(status),
        ),
    )


def _current_cpu(status: v2.HorizontalPodAutoscalerStatus) -> int | None:
    found = [m.resource for m in status.current_metrics or () if m.resource is not None and m.resource.name == "cpu"]
    return found[0].current.average_utilization if found else None


def _with_annotations(obj: v2.HorizontalPodAutoscaler) -> Any:
    carried: dict[str, str] = {}
    others = tuple(metrics.spec_to_v1(m) for m in obj.spec.metrics if not is_cpu(m))
    if others:
        carried[METRICS] = encode(others).decode()
    if obj.status.current_metrics:
        carried[CURRENT] = encode(tuple(map(metrics.status_to_v1, obj.status.current_metrics))).decode()
    if obj.spec.behavior is not None:
        carried[BEHAVIOR] = go_text.to_json(go_text.struct_tree(obj.spec.behavior))
    if obj.status.conditions:
        carried[CONDITIONS] = encode(tuple(map(_condition_to_v1, obj.status.conditions))).decode()
    if not carried:
        return obj.metadata
    return replace(obj.metadata, annotations={**obj.metadata.annotations, **carried})


def _condition_to_v1(found: v2.HorizontalPodAutoscalerCondition) -> v1.HorizontalPodAutoscalerCondition:
    return v1.HorizontalPodAutoscalerCondition(
        type=found.type,
        status=found.status,
        last_transition_time=found.last_transition_time,
        reason=found.reason,
        message=found.message,
    )


def to_v2(obj: v1.HorizontalPodAutoscaler) -> v2.HorizontalPodAutoscaler:
    spec, annotations = obj.spec, obj.metadata.annotations
    found = tuple(map(metrics.spec_to_v2, _carried(annotations.get(METRICS), tuple[v1.MetricSpec, ...])))
    if spec.target_cpu_utilization_percentage is not None:
        found = (*found, cpu_metric(spec.target_cpu_utilization_percentage))
    if not found:  # converted, not merely defaulted: server-side apply sees it when it compares versions
        found = (cpu_metric(DEFAULT_CPU),)
    meta = obj.metadata
    if not _CARRIED.isdisjoint(annotations):
        meta = replace(meta, annotations={k: v for k, v in annotations.items() if k not in _CARRIED})
    return v2.HorizontalPodAutoscaler(
        metadata=meta,
        spec=v2.HorizontalPodAutoscalerSpec(
            scale_target_ref=reference(v2, spec.scale_target_ref),
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            metrics=found,
            behavior=_behavior(annotations.get(BEHAVIOR)),
        ),
        status=_status_to_v2(obj),
    )


def cpu_metric(percentage: int) -> v2.MetricSpec:
    target = v2.MetricTarget(type="Utilization", average_utilization=percentage)
    return v2.MetricSpec(type="Resource", resource=v2.ResourceMetricSource(name="cpu", target=target))


def _status_to_v2(obj: v1.HorizontalPodAutoscaler) -> v2.HorizontalPodAutoscalerStatus:
    status, annotations = obj.status, obj.metadata.annotations
    current = tuple(map(metrics.status_to_v2, _carried(annotations.get(CURRENT), tuple[v1.MetricStatus, ...])))
    percentage = status.current_cpu_utilization_percentage
    if not current and percentage is not None:
        value = v2.MetricValueStatus(average_utilization=percentage)
        current = (v2.MetricStatus(type="Resource", resource=v2.ResourceMetricStatus(name="cpu", current=value)),)
    conditions = _carried(annotations.get(CONDITIONS), tuple[v2.HorizontalPodAutoscalerCondition, ...])
    return v2.HorizontalPodAutoscalerStatus(
        observed_generation=status.observed_generation,
        last_scale_time=status.last_scale_time,
        current_replicas=status.current_replicas,
        desired_replicas=status.desired_replicas,
        current_metrics=current or None,
        conditions=conditions,
    )


def _carried(text: str | None, kind: Any) -> Any:
    """What an annotation carries; nothing where somebody has written something else into it."""
    if text is None:
        return ()
    try:
        return decode(text.encode(), kind)
    except msgspec.MsgspecError:
        return ()


def _behavior(text: str | None) -> v2.HorizontalPodAutoscalerBehavior | None:
    if text is None:
        return None
    try:
        tree = msgspec.json.decode(text.encode())
        return decode(msgspec.json.encode(_wire_names(tree)), v2.HorizontalPodAutoscalerBehavior)
    except msgspec.MsgspecError:
        return None


def _wire_names(tree: Any) -> Any:
    """A tree with Go's field names as the wire has it: lower case first, without what is null."""
    if isinstance(tree, dict):
        return {key[:1].lower() + key[1:]: _wire_names(value) for key, value in tree.items() if value is not None}
    return [_wire_names(item) for item in tree] if isinstance(tree, list) else tree


def reference(version: Any, found: Any) -> Any:
    return version.CrossVersionObjectReference(kind=found.kind, name=found.name, api_version=found.api_version)
