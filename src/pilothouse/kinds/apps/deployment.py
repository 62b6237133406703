"""Deployment: its annotations count for the generation, since the controller copies them to ReplicaSets."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.selectors import of_object
from pilothouse.api.types.apps.v1 import Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from pilothouse.kinds.apps import workload
from pilothouse.kinds.cells import age, joined, selector
from pilothouse.kinds.core.podspec import gated, warnings
from pilothouse.kinds.core.podspec.defaults import template
from pilothouse.kinds.declare import replicas_scale
from pilothouse.kinds.strategy import Cell, Scale, Status, Strategy


def defaults(obj: Deployment) -> Deployment:
    spec = obj.spec
    strategy = spec.strategy
    if strategy.type == "":
        strategy = replace(strategy, type="RollingUpdate")
    if strategy.type == "RollingUpdate":
        rolling = strategy.rolling_update or RollingUpdateDeployment()
        if rolling.max_unavailable is None or rolling.max_surge is None:
            rolling = replace(
                rolling,
                max_unavailable="25%" if rolling.max_unavailable is None else rolling.max_unavailable,
                max_surge="25%" if rolling.max_surge is None else rolling.max_surge,
            )
        if rolling is not strategy.rolling_update:
            strategy = replace(strategy, rolling_update=rolling)
    return replace(obj, spec=replace(spec, **_missing(obj, strategy)))


def _missing(obj: Deployment, strategy: DeploymentStrategy) -> dict[str, object]:
    spec = obj.spec
    found: dict[str, object] = {} if strategy is spec.strategy else {"strategy": strategy}
    found["template"] = template(spec.template)
    if spec.replicas is None:
        found["replicas"] = 1
    if spec.revision_history_limit is None:
        found["revision_history_limit"] = 10
    if spec.progress_deadline_seconds is None:
        found["progress_deadline_seconds"] = 600
    return found


def _strategy_errors(found: DeploymentStrategy) -> FieldErrors:
    path, rolling = "spec.strategy", found.rolling_update
    if found.type == "Recreate":
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden(f"{path}.rollingUpdate", detail)] if rolling is not None else []
    if found.type != "RollingUpdate":
        return [not_supported(path, found, ("Recreate", "RollingUpdate"))]
    if rolling is None:
        return [required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")]
    unavailable, surge = rolling.max_unavailable or 0, rolling.max_surge or 0
    errors = workload.int_or_percent(f"{path}.rollingUpdate.maxUnavailable", unavailable)
    errors += workload.int_or_percent(f"{path}.rollingUpdate.maxSurge", surge)
    if workload.amount(unavailable) == 0 and workload.amount(surge) == 0:
        errors.append(invalid(f"{path}.rollingUpdate.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    return errors + workload.at_most_whole(f"{path}.rollingUpdate.maxUnavailable", unavailable)


def validate(obj: Deployment) -> FieldErrors:
    spec = obj.spec
    errors = workload.numbers("spec", [("replicas", spec.replicas)])
    errors += workload.selector("spec.selector", spec.selector, "deployment")
    errors += workload.replica_template("spec.template", spec.template, spec.selector)
    errors += _strategy_errors(spec.strategy)
    minimum, deadline = spec.min_ready_seconds, spec.progress_deadline_seconds
    errors += workload.numbers(
        "spec",
        [
            ("minReadySeconds", minimum),
            ("revisionHistoryLimit", spec.revision_history_limit),
            ("progressDeadlineSeconds", deadline),
        ],
    )
    if deadline is not None and deadline <= minimum:
        errors.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errors


def validate_update(new: Deployment, old: Deployment) -> FieldErrors:
    return validate(new) + workload.unchanged_selector(new.spec.selector, old.spec.selector)


def validate_status(new: Deployment, old: Deployment) -> FieldErrors:
    status = new.status
    errors = workload.status_counts(
        [
            ("observedGeneration", status.observed_generation),
            ("replicas", status.replicas),
            ("updatedReplicas", status.updated_replicas),
            ("readyReplicas", status.ready_replicas),
            ("availableReplicas", status.available_replicas),
            ("unavailableReplicas", status.unavailable_replicas),
            ("terminatingReplicas", status.terminating_replicas),
            ("collisionCount", status.collision_count),
        ],
        [
            ("updatedReplicas", status.updated_replicas, "status.replicas", status.replicas),
            ("readyReplicas", status.ready_replicas, "status.replicas", status.replicas),
            ("availableReplicas", status.available_replicas, "status.replicas", status.replicas),
            ("availableReplicas", status.available_replicas, "readyReplicas", status.ready_replicas),
        ],
    )
    return errors + workload.not_decremented(status.collision_count, old.status.collision_count)


def row(obj: Deployment, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    containers = spec.template.spec.containers or ()
    return (
        obj.metadata.name,
        f"{status.ready_replicas}/{spec.replicas or 0}",
        status.updated_replicas,
        status.available_replicas,
        age(obj.metadata.creation_timestamp, now),
        joined((c.name for c in containers), empty=""),
        joined((c.image for c in containers), empty=""),
        selector(spec.selector),
    )


STRATEGY = Strategy(
    type=Deployment,
    zero=Deployment(spec=DeploymentSpec(replicas=0)),
    prefix="deployments",
    generation=("spec", "metadata.annotations"),
    defaults=defaults,
    prepare_create=lambda obj, write: gated.of_template(obj),
    prepare_update=lambda new, old, write: gated.of_template(new),
    validate=validate,
    warnings=lambda o: warnings.workload(o.metadata.name, o.spec.template),
    warnings_update=lambda new, old: warnings.changed_template("spec.template", new, old, new.spec.template),
    validate_update=validate_update,
    status=Status(keep=("spec", "metadata.labels"), validate=validate_status),
    scale=Scale(**replicas_scale(lambda o: str(of_object(o.spec.selector)))),
    row=row,
)
