"""Metrics of autoscalers between v2 and the older form that autoscaling/v1 carries in annotations. Pure."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pilothouse.api.quantity import ZERO, Quantity
from pilothouse.api.types.autoscaling import v1, v2


def _reference(version: Any, found: Any) -> Any:
    return version.CrossVersionObjectReference(kind=found.kind, name=found.name, api_version=found.api_version)


def spec_to_v1(metric: v2.MetricSpec) -> v1.MetricSpec:
    return v1.MetricSpec(
        type=metric.type,
        object=_object_to_v1(metric.object) if metric.object is not None else None,
        pods=_pods_to_v1(metric.pods) if metric.pods is not None else None,
        resource=_resource_to_v1(metric.resource) if metric.resource is not None else None,
        container_resource=_container_to_v1(metric.container_resource)
        if metric.container_resource is not None
        else None,
        external=_external_to_v1(metric.external) if metric.external is not None else None,
    )


def _object_to_v1(found: v2.ObjectMetricSource) -> v1.ObjectMetricSource:
    return v1.ObjectMetricSource(
        target=_reference(v1, found.described_object),
        metric_name=found.metric.name,
        target_value=found.target.value or ZERO,
        selector=found.metric.selector,
        average_value=found.target.average_value,
    )


def _pods_to_v1(found: v2.PodsMetricSource) -> v1.PodsMetricSource:
    value = found.target.average_value or ZERO
    return v1.PodsMetricSource(
        metric_name=found.metric.name, target_average_value=value, selector=found.metric.selector
    )


def _resource_to_v1(found: v2.ResourceMetricSource) -> v1.ResourceMetricSource:
    return v1.ResourceMetricSource(
        name=found.name,
        target_average_utilization=found.target.average_utilization,
        target_average_value=found.target.average_value,
    )


def _container_to_v1(found: v2.ContainerResourceMetricSource) -> v1.ContainerResourceMetricSource:
    return v1.ContainerResourceMetricSource(
        name=found.name,
        target_average_utilization=found.target.average_utilization,
        target_average_value=found.target.average_value,
        container=found.container,
    )


def _external_to_v1(found: v2.ExternalMetricSource) -> v1.ExternalMetricSource:
    return v1.ExternalMetricSource(
        metric_name=found.metric.name,
        metric_selector=found.metric.selector,
        target_value=found.target.value,
        target_average_value=found.target.average_value,
    )


def spec_to_v2(metric: v1.MetricSpec) -> v2.MetricSpec:
    return v2.MetricSpec(
        type=metric.type,
        object=_object_to_v2(metric.object) if metric.object is not None else None,
        pods=_pods_to_v2(metric.pods) if metric.pods is not None else None,
        resource=_resource_to_v2(metric.resource) if metric.resource is not None else None,
        container_resource=_container_to_v2(metric.container_resource)
        if metric.container_resource is not None
        else None,
        external=_external_to_v2(metric.external) if metric.external is not None else None,
    )


def _object_to_v2(found: v1.ObjectMetricSource) -> v2.ObjectMetricSource:
    if found.average_value is None:
        target = v2.MetricTarget(type="Value", value=found.target_value)
    else:
        target = v2.MetricTarget(type="AverageValue", average_value=found.average_value)
    return v2.ObjectMetricSource(
        described_object=_reference(v2, found.target),
        target=target,
        metric=v2.MetricIdentifier(name=found.metric_name, selector=found.selector),
    )


def _pods_to_v2(found: v1.PodsMetricSource) -> v2.PodsMetricSource:
    return v2.PodsMetricSource(
        metric=v2.MetricIdentifier(name=found.metric_name, selector=found.selector),
        target=v2.MetricTarget(type="AverageValue", average_value=found.target_average_value),
    )


def _resource_target(utilization: int | None, value: Quantity | None) -> v2.MetricTarget:
    kind = "Utilization" if value is None else "AverageValue"
    return v2.MetricTarget(type=kind, average_utilization=utilization, average_value=value)


def _resource_to_v2(found: v1.ResourceMetricSource) -> v2.ResourceMetricSource:
    target = _resource_target(found.target_average_utilization, found.target_average_value)
    return v2.ResourceMetricSource(name=found.name, target=target)


def _container_to_v2(found: v1.ContainerResourceMetricSource) -> v2.ContainerResourceMetricSource:
    target = _resource_target(found.target_average_utilization, found.target_average_value)
    return v2.ContainerResourceMetricSource(name=found.name, target=target, container=found.container)


def _external_to_v2(found: v1.ExternalMetricSource) -> v2.ExternalMetricSource:
    kind = "Value" if found.target_value is not None else "AverageValue"
    target = v2.MetricTarget(type=kind, value=found.target_value, average_value=found.target_average_value)
    return v2.ExternalMetricSource(
        metric=v2.MetricIdentifier(name=found.metric_name, selector=found.metric_selector), target=target
    )


def status_to_v1(metric: v2.MetricStatus) -> v1.MetricStatus:
    found = v1.MetricStatus(type=metric.type)
    changes: dict[str, Any] = {}
    if (o := metric.object) is not None:
        changes["object"] = v1.ObjectMetricStatus(
            target=_reference(v1, o.described_object),
            metric_name=o.metric.name,
            current_value=o.current.value or ZERO,
            selector=o.metric.selector,
            average_value=o.current.average_value,
        )
    if (p := metric.pods) is not None:
        value = p.current.average_value or ZERO
        changes["pods"] = v1.PodsMetricStatus(
            metric_name=p.metric.name, current_average_value=value, selector=p.metric.selector
        )
    if (r := metric.resource) is not None:
        changes["resource"] = v1.ResourceMetricStatus(
            name=r.name,
            current_average_utilization=r.current.average_utilization,
            current_average_value=r.current.average_value or ZERO,
        )
    if (c := metric.container_resource) is not None:
        changes["container_resource"] = v1.ContainerResourceMetricStatus(
            name=c.name,
            current_average_utilization=c.current.average_utilization,
            current_average_value=c.current.average_value or ZERO,
            container=c.container,
        )
    if (e := metric.external) is not None:
        changes["external"] = v1.ExternalMetricStatus(
            metric_name=e.metric.name,
            metric_selector=e.metric.selector,
            current_value=e.current.value or ZERO,
            current_average_value=e.current.average_value,
        )
    return replace(found, **changes)


def status_to_v2(metric: v1.MetricStatus) -> v2.MetricStatus:
    found = v2.MetricStatus(type=metric.type)
    changes: dict[str, Any] = {}
    if (o := metric.object) is not None:
        changes["object"] = v2.ObjectMetricStatus(
            metric=v2.MetricIdentifier(name=o.metric_name, selector=o.selector),
            current=v2.MetricValueStatus(value=o.current_value, average_value=o.average_value),
            described_object=_reference(v2, o.target),
        )
    if (p := metric.pods) is not None:
        changes["pods"] = v2.PodsMetricStatus(
            metric=v2.MetricIdentifier(name=p.metric_name, selector=p.selector),
            current=v2.MetricValueStatus(average_value=p.current_average_value),
        )
    if (r := metric.resource) is not None:
        changes["resource"] = v2.ResourceMetricStatus(
            name=r.name,
            current=v2.MetricValueStatus(
                average_value=r.current_average_value, average_utilization=r.current_average_utilization
            ),
        )
    if (c := metric.container_resource) is not None:
        changes["container_resource"] = v2.ContainerResourceMetricStatus(
            name=c.name,
            current=v2.MetricValueStatus(
                average_value=c.current_average_value, average_utilization=c.current_average_utilization
            ),
            container=c.container,
        )
    if (e := metric.external) is not None:
        changes["external"] = v2.ExternalMetricStatus(
            metric=v2.MetricIdentifier(name=e.metric_name, selector=e.metric_selector),
            current=v2.MetricValueStatus(value=e.current_value, average_value=e.current_average_value),
        )
    return replace(found, **changes)


_UNKNOWN = "<unknown>"
_SHOWN = 2


def told(specs: tuple[v2.MetricSpec, ...], statuses: tuple[v2.MetricStatus, ...]) -> str:
    """What metrics are and should be, as a cell: `cpu: 42%/60%, 3/10`."""
    if not specs:
        return "<none>"
    found = [_told(spec, statuses[index] if index < len(statuses) else None) for index, spec in enumerate(specs)]
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" + {more} more..." if more > 0 else "")


def _told(spec: v2.MetricSpec, status: v2.MetricStatus | None) -> str:
    named = spec.resource or spec.container_resource
    attribute = next(
        (a for a in ("object", "pods", "resource", "container_resource", "external") if getattr(spec, a)), ""
    )
    if not attribute:
        return "<unknown type>"
    target: v2.MetricTarget = getattr(spec, attribute).target
    held = getattr(status, attribute) if status is not None else None
    current: v2.MetricValueStatus | None = held.current if held is not None else None
    if named is not None:
        return f"{named.name}: {_resource_told(target, current)}"
    if attribute == "pods":
        return f"{_value(current, current and current.average_value)}/{_quantity(target.average_value)}"
    if target.average_value is not None:
        average = current.average_value if current is not None else None
        return f"{_UNKNOWN if average is None else average}/{target.average_value} (avg)"
    return f"{_value(current, current and current.value)}/{_quantity(target.value)}"


def _value(status: v2.MetricValueStatus | None, value: Any) -> str:
    """What a status tells; upstream does not look whether it does."""
    return _UNKNOWN if status is None else _quantity(value)


def _quantity(value: Quantity | None) -> str:
    return "<nil>" if value is None else str(value)


def _resource_told(target: v2.MetricTarget, current: v2.MetricValueStatus | None) -> str:
    if target.average_value is not None:
        return f"{_value(current, current and current.average_value)}/{target.average_value}"
    utilization = current.average_utilization if current is not None else None
    wanted = "<auto>" if target.average_utilization is None else f"{target.average_utilization}%"
    return f"{_UNKNOWN if utilization is None else f'{utilization}%'}/{wanted}"
