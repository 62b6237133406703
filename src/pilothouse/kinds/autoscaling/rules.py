"""Validation of a HorizontalPodAutoscaler, in its storage version. Pure."""

from __future__ import annotations

from typing import Any

from pilothouse.api.field_errors import FieldErrors, all_invalid, forbidden, invalid, not_supported, required
from pilothouse.api.types.autoscaling.v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HPAScalingRules,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
)
from pilothouse.kinds.apps.workload import numbers
from pilothouse.kinds.core.podspec import checks
from pilothouse.kinds.core.podspec.resources import container_resource_name
from pilothouse.semantics.validation.names import dns_label, path_segment

TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
SOURCES = {
    "Object": ("object", "object"),
    "External": ("external", "external"),
    "Pods": ("pods", "pods"),
    "Resource": ("resource", "resource"),
    "ContainerResource": ("containerResource", "container_resource"),
}
_WINDOW, _PERIOD = 3600, 1800
_OTHER_TARGETS = {"Object": "or averageValue", "External": "for metric or a per-pod target"}
_RAW_OR_UTILIZATION = "must set either a target raw value or a target utilization"


def _reference(path: str, found: CrossVersionObjectReference) -> FieldErrors:
    errors: FieldErrors = []
    for name, value in (("kind", found.kind), ("name", found.name)):
        if not value:
            errors.append(required(f"{path}.{name}"))
        else:
            errors += [invalid(f"{path}.{name}", value, fault) for fault in path_segment(value)]
    return errors


def _target_version(path: str, found: CrossVersionObjectReference) -> FieldErrors:
    """Only the core group's ReplicationController may come without a group."""
    if found.api_version.count("/") > 1:
        detail = f"unexpected GroupVersion string: {found.api_version}"
        return [invalid(f"{path}.apiVersion", found.api_version, detail)]
    group = found.api_version.rpartition("/")[0]
    if group or found.kind == "ReplicationController":
        return []
    return [invalid(f"{path}.apiVersion", found.api_version, "apiVersion must specify API group")]


def _target(path: str, found: MetricTarget) -> FieldErrors:
    errors: FieldErrors = []
    if not found.type:
        errors.append(required(f"{path}.type", "must specify a metric target type"))
    if found.type not in ("Utilization", "Value", "AverageValue"):
        errors.append(invalid(f"{path}.type", found.type, "must be either Utilization, Value, or AverageValue"))
    if found.value is not None and found.value.value <= 0:
        errors.append(invalid(f"{path}.value", found.value.text, "must be positive"))
    if found.average_value is not None and found.average_value.value <= 0:
        errors.append(invalid(f"{path}.averageValue", found.average_value.text, "must be positive"))
    if found.average_utilization is not None and found.average_utilization < 1:
        errors.append(invalid(f"{path}.averageUtilization", found.average_utilization, "must be greater than 0"))
    return errors


def _identifier(path: str, found: MetricIdentifier) -> FieldErrors:
    if not found.name:
        return [required(f"{path}.name", "must specify a metric name")]
    return [invalid(f"{path}.name", found.name, fault) for fault in path_segment(found.name)]


def _resource(path: str, source: Any, *, container: bool) -> FieldErrors:
    errors: FieldErrors = []
    if not source.name:
        errors.append(required(f"{path}.name", "must specify a resource name"))
    elif container:
        errors += container_resource_name(f"{path}.name", source.name)
    if container and not source.container:
        errors.append(required(f"{path}.container", "must specify a container"))
    elif container:
        errors += all_invalid(f"{path}.container", source.container, dns_label(source.container, False))
    target = source.target
    errors += _target(f"{path}.target", target)
    if target.average_utilization is None and target.average_value is None:
        errors.append(required(f"{path}.target.averageUtilization", _RAW_OR_UTILIZATION))
    if target.average_utilization is not None and target.average_value is not None:
        detail = "may not set both a target raw value and a target utilization"
        errors.append(forbidden(f"{path}.target.averageValue", detail))
    return errors


def _source(kind: str, path: str, source: Any) -> FieldErrors:
    if kind in ("Resource", "ContainerResource"):
        return _resource(path, source, container=kind == "ContainerResource")
    errors: FieldErrors = []
    if kind == "Object":
        errors += _reference(f"{path}.describedObject", source.described_object)
    errors += _identifier(f"{path}.metric", source.metric)
    target = source.target
    errors += _target(f"{path}.target", target)
    if kind == "Pods":
        if target.average_value is None:
            detail = "must specify a positive target averageValue"
            errors.append(required(f"{path}.target.averageValue", detail))
    elif target.value is None and target.average_value is None:
        detail = f"must set either a target value {_OTHER_TARGETS[kind]}"
        errors.append(required(f"{path}.target.averageValue", detail))
    elif kind == "External" and target.value is not None and target.average_value is not None:
        detail = "may not set both a target value for metric and a per-pod target"
        errors.append(forbidden(f"{path}.target.value", detail))
    return errors


def _metric(path: str, metric: MetricSpec) -> FieldErrors:
    """One source, that of the metric's type; an unknown type is told twice, as upstream does."""
    errors: FieldErrors = []
    if not metric.type:
        errors.append(required(f"{path}.type", "must specify a metric source type"))
    if metric.type not in TYPES:
        errors += [not_supported(f"{path}.type", metric.type, TYPES)] * 2
    given = [
        (kind, name, source)
        for kind, (name, attribute) in SOURCES.items()
        if (source := getattr(metric, attribute)) is not None
    ]
    if given:
        kind, name, source = given[0]
        errors += _source(kind, f"{path}.{name}", source)
    expected, _ = SOURCES.get(metric.type, ("", ""))
    names = [name for _, name, _ in given]
    if expected and expected not in names:
        errors.append(required(f"{path}.{expected}", "must populate information for the given metric source"))
    if len(names) != 1:
        detail = "must populate the given metric source only"
        errors += [forbidden(f"{path}.{name}", detail) for name in names if name != expected]
    return errors


def _scaling(path: str, rules: HPAScalingRules | None) -> FieldErrors:
    if rules is None:
        return []
    errors: FieldErrors = []
    window = rules.stabilization_window_seconds
    at = f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        errors.append(invalid(at, window, "must be greater than or equal to zero"))
    if window is not None and window > _WINDOW:
        errors.append(invalid(at, window, f"must be less than or equal to {_WINDOW}"))
    if rules.select_policy is not None:
        errors += checks.one_of(f"{path}.selectPolicy", rules.select_policy, ("Disabled", "Max", "Min"))
    if not rules.policies:
        errors.append(required(f"{path}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(rules.policies or ()):
        one = f"{path}.policies[{index}]"
        errors += checks.one_of(f"{one}.type", policy.type, ("Percent", "Pods"))
        if policy.value <= 0:
            errors.append(invalid(f"{one}.value", policy.value, "must be greater than zero"))
        if policy.period_seconds <= 0:
            errors.append(invalid(f"{one}.periodSeconds", policy.period_seconds, "must be greater than zero"))
        if policy.period_seconds > _PERIOD:
            detail = f"must be less than or equal to {_PERIOD}"
            errors.append(invalid(f"{one}.periodSeconds", policy.period_seconds, detail))
    if rules.tolerance is not None and rules.tolerance.value < 0:
        errors.append(invalid(f"{path}.tolerance", rules.tolerance.text, checks.NON_NEGATIVE))
    return errors


def validate(obj: HorizontalPodAutoscaler) -> FieldErrors:
    spec = obj.spec
    errors: FieldErrors = []
    least = spec.min_replicas
    if least is not None and least < 1:
        errors.append(invalid("spec.minReplicas", least, "must be greater than or equal to 1"))
    if spec.max_replicas == 0:
        errors.append(required("spec.maxReplicas", "must be set and greater than 0"))
    elif spec.max_replicas < 0:
        errors.append(invalid("spec.maxReplicas", spec.max_replicas, "must be greater than or equal to 1"))
    if least is not None and spec.max_replicas < least:
        detail = "must be greater than or equal to `minReplicas`"
        errors.append(invalid("spec.maxReplicas", spec.max_replicas, detail))
    errors += _reference("spec.scaleTargetRef", spec.scale_target_ref)
    errors += _target_version("spec.scaleTargetRef", spec.scale_target_ref)
    for index, metric in enumerate(spec.metrics or ()):
        errors += _metric(f"spec.metrics[{index}]", metric)
    if least == 0 and not any(metric.type in ("Object", "External") for metric in spec.metrics or ()):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        errors.append(forbidden("spec.metrics", detail))
    if spec.behavior is not None:
        errors += _scaling("spec.behavior.scaleUp", spec.behavior.scale_up)
        errors += _scaling("spec.behavior.scaleDown", spec.behavior.scale_down)
    return errors


def validate_status(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> FieldErrors:
    status = new.status
    counts = [("currentReplicas", status.current_replicas), ("desiredReplicas", status.desired_replicas)]
    return numbers("status", counts)
