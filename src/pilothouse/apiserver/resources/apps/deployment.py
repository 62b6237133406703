"""Deployment: its annotations count for the generation, since the controller copies them to ReplicaSets."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.selectors import of_object
from pilothouse.api.types.apps.v1 import Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from pilothouse.apiserver.generic.strategy import Cell, Scale, Status, Strategy
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.resources.declare import replicas_scale
from pilothouse.apiserver.table.cells import age, joined, selector


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
    status=Status(keep=("spec", "metadata.labels")),
    scale=Scale(**replicas_scale(lambda o: str(of_object(o.spec.selector)))),
    row=row,
)
