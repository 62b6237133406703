"""StatefulSet: its claim templates are claims, kind and status included."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.selectors import of_object
from pilothouse.api.types.apps.v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from pilothouse.api.types.core.v1 import PersistentVolumeClaim
from pilothouse.apiserver.generic.strategy import Cell, Scale, Status, Strategy
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.resources.core.podspec.volumes import claim_spec
from pilothouse.apiserver.resources.declare import replicas_scale
from pilothouse.apiserver.table.cells import age, joined
from pilothouse.semantics.validation.names import dns_label


def _strategy(found: StatefulSetUpdateStrategy) -> StatefulSetUpdateStrategy:
    kind = found.type or "RollingUpdate"
    if kind != "RollingUpdate":
        return found
    rolling = found.rolling_update or RollingUpdateStatefulSetStrategy()
    if rolling.partition is None:
        rolling = replace(rolling, partition=0)
    return replace(found, type=kind, rolling_update=rolling)


def _claim(found: PersistentVolumeClaim) -> PersistentVolumeClaim:
    status = replace(found.status, phase=found.status.phase or "Pending")
    return replace(found, spec=claim_spec(found.spec), status=status)


def _retention(
    found: StatefulSetPersistentVolumeClaimRetentionPolicy | None,
) -> StatefulSetPersistentVolumeClaimRetentionPolicy:
    found = found or StatefulSetPersistentVolumeClaimRetentionPolicy()
    return replace(found, when_deleted=found.when_deleted or "Retain", when_scaled=found.when_scaled or "Retain")


def defaults(obj: StatefulSet) -> StatefulSet:
    spec = obj.spec
    return replace(
        obj,
        spec=replace(
            spec,
            replicas=1 if spec.replicas is None else spec.replicas,
            pod_management_policy=spec.pod_management_policy or "OrderedReady",
            update_strategy=_strategy(spec.update_strategy),
            revision_history_limit=10 if spec.revision_history_limit is None else spec.revision_history_limit,
            persistent_volume_claim_retention_policy=_retention(spec.persistent_volume_claim_retention_policy),
            template=template(spec.template),
            volume_claim_templates=tuple(map(_claim, spec.volume_claim_templates)),
        ),
    )


def row(obj: StatefulSet, now: float) -> Sequence[Cell]:
    containers = obj.spec.template.spec.containers or ()
    ready = f"{obj.status.ready_replicas}/{obj.spec.replicas or 0}"
    return (
        obj.metadata.name,
        ready,
        age(obj.metadata.creation_timestamp, now),
        joined((c.name for c in containers), empty=""),
        joined((c.image for c in containers), empty=""),
    )


STRATEGY = Strategy(
    type=StatefulSet,
    zero=StatefulSet(spec=StatefulSetSpec(replicas=0)),
    prefix="statefulsets",
    name=dns_label,
    defaults=defaults,
    generation=("spec",),
    status=Status(),
    scale=Scale(**replicas_scale(lambda o: str(of_object(o.spec.selector)))),
    row=row,
)
