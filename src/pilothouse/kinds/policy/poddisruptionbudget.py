"""PodDisruptionBudget."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.types.policy.v1 import PodDisruptionBudget
from pilothouse.kinds.apps import workload
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.podspec import checks
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy
from pilothouse.semantics.validation import conditions, selectors
from pilothouse.semantics.validation.names import path_segment

POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def row(obj: PodDisruptionBudget, now: float) -> Sequence[Cell]:
    spec = obj.spec
    least = "N/A" if spec.min_available is None else str(spec.min_available)
    most = "N/A" if spec.max_unavailable is None else str(spec.max_unavailable)
    return obj.metadata.name, least, most, obj.status.disruptions_allowed, age(obj.metadata.creation_timestamp, now)


def validate(obj: PodDisruptionBudget) -> FieldErrors:
    spec = obj.spec
    errors: FieldErrors = []
    if spec.min_available is not None and spec.max_unavailable is not None:
        errors.append(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for name, value in (("minAvailable", spec.min_available), ("maxUnavailable", spec.max_unavailable)):
        if value is not None:
            errors += workload.int_or_percent(f"spec.{name}", value)
            errors += workload.at_most_whole(f"spec.{name}", value)
    if spec.selector is not None:
        errors += selectors.label_selector("spec.selector", spec.selector)
    if spec.unhealthy_pod_eviction_policy is not None:
        errors += checks.one_of("spec.unhealthyPodEvictionPolicy", spec.unhealthy_pod_eviction_policy, POLICIES)
    return errors


def validate_status(new: PodDisruptionBudget, old: PodDisruptionBudget) -> FieldErrors:
    status = new.status
    errors = conditions.validate("status.conditions", status.conditions)
    return errors + workload.numbers(
        "status",
        [
            ("disruptionsAllowed", status.disruptions_allowed),
            ("currentHealthy", status.current_healthy),
            ("desiredHealthy", status.desired_healthy),
            ("expectedPods", status.expected_pods),
        ],
    )


STRATEGY = Strategy(
    type=PodDisruptionBudget,
    prefix="poddisruptionbudgets",
    generation=("spec",),
    allow_unconditional_update=False,
    name=path_segment,
    meta_update=MetaUpdate(change=0),
    validate=validate,
    status=Status(meta_update=MetaUpdate(change=0), validate=validate_status),
    row=row,
)
