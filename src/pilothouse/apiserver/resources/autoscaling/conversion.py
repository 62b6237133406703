"""autoscaling/v1 from and to v2: v1 knows one CPU metric; all else travels in annotations as JSON.

Metrics and their status are written as v2beta1 had them, behavior with Go's field names and conditions in v1's form, as
the reference does. Writing through v1 moves the CPU metric to the end.
"""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.autoscaling import v1, v2

V1 = v1.HorizontalPodAutoscaler


def _is_cpu(metric: v2.MetricSpec) -> bool:
    resource = metric.resource
    return resource is not None and resource.name == "cpu" and resource.target.average_utilization is not None


def to_v1(obj: v2.HorizontalPodAutoscaler) -> v1.HorizontalPodAutoscaler:
    spec, status = obj.spec, obj.status
    cpu = next((m for m in spec.metrics if _is_cpu(m)), None)
    return v1.HorizontalPodAutoscaler(
        metadata=obj.metadata,
        spec=v1.HorizontalPodAutoscalerSpec(
            scale_target_ref=_reference(v1, spec.scale_target_ref),
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            target_cpu_utilization_percentage=cpu.resource.target.average_utilization if cpu and cpu.resource else None,
        ),
        status=v1.HorizontalPodAutoscalerStatus(
            observed_generation=status.observed_generation,
            last_scale_time=status.last_scale_time,
            current_replicas=status.current_replicas,
            desired_replicas=status.desired_replicas,
        ),
    )


def to_v2(obj: v1.HorizontalPodAutoscaler) -> v2.HorizontalPodAutoscaler:
    spec, status = obj.spec, obj.status
    metrics: tuple[v2.MetricSpec, ...] = ()
    if spec.target_cpu_utilization_percentage is not None:
        target = v2.MetricTarget(type="Utilization", average_utilization=spec.target_cpu_utilization_percentage)
        metrics = (v2.MetricSpec(type="Resource", resource=v2.ResourceMetricSource(name="cpu", target=target)),)
    return v2.HorizontalPodAutoscaler(
        metadata=obj.metadata,
        spec=v2.HorizontalPodAutoscalerSpec(
            scale_target_ref=_reference(v2, spec.scale_target_ref),
            min_replicas=spec.min_replicas,
            max_replicas=spec.max_replicas,
            metrics=metrics,
        ),
        status=v2.HorizontalPodAutoscalerStatus(
            observed_generation=status.observed_generation,
            last_scale_time=status.last_scale_time,
            current_replicas=status.current_replicas,
            desired_replicas=status.desired_replicas,
        ),
    )


def _reference(version: Any, found: Any) -> Any:
    return version.CrossVersionObjectReference(kind=found.kind, name=found.name, api_version=found.api_version)
