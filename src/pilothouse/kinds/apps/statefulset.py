"""StatefulSet: its claim templates are claims, kind and status included."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, all_invalid, forbidden, invalid, required
from pilothouse.api.selectors import of_object
from pilothouse.api.types.apps.v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from pilothouse.api.types.core.v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource,
    PodTemplateSpec,
    Volume,
)
from pilothouse.kinds.apps import workload
from pilothouse.kinds.cells import age
from pilothouse.kinds.core import claims
from pilothouse.kinds.core.podspec import annotated, checks, gated, warnings
from pilothouse.kinds.core.podspec.defaults import template
from pilothouse.kinds.core.podspec.spec import template as template_errors
from pilothouse.kinds.core.podspec.volumes import claim_spec
from pilothouse.kinds.declare import replicas_scale
from pilothouse.kinds.strategy import Cell, Scale, Status, Strategy
from pilothouse.semantics.validation import meta as metadata
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
    """A claim's template with defaults; upstream names its kind itself, whatever the request called it."""
    status = replace(found.status, phase=found.status.phase or "Pending")
    spec = claim_spec(found.spec)
    return replace(found, api_version="v1", kind="PersistentVolumeClaim", spec=spec, status=status)


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


_MUTABLE = ("replicas", "ordinals", "template", "update_strategy", "revision_history_limit",
            "persistent_volume_claim_retention_policy", "min_ready_seconds")  # fmt: skip
_FORBIDDEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def without_gated(new: StatefulSet, old: StatefulSet | None) -> StatefulSet:
    """Without `maxUnavailable`, whose feature gate (MaxUnavailableStatefulSet) is off, unless it was there before."""
    rolling = new.spec.update_strategy.rolling_update
    before = old.spec.update_strategy.rolling_update if old is not None else None
    if rolling is None or rolling.max_unavailable is None:
        return new
    if before is not None and before.max_unavailable is not None:
        return new
    strategy = replace(new.spec.update_strategy, rolling_update=replace(rolling, max_unavailable=None))
    return replace(new, spec=replace(new.spec, update_strategy=strategy))


def _strategy_errors(found: StatefulSetUpdateStrategy) -> FieldErrors:
    path, rolling = "spec.updateStrategy", found.rolling_update
    if not found.type:
        return [required(path)]
    if found.type == "OnDelete":
        if rolling is None:
            return []
        detail = "only allowed for updateStrategy 'RollingUpdate'"
        return [invalid(f"{path}.rollingUpdate", rolling, detail)]
    if found.type != "RollingUpdate":
        return [invalid(path, found, "must be 'RollingUpdate' or 'OnDelete'")]
    if rolling is None:
        return []
    errors = workload.numbers(f"{path}.rollingUpdate", [("partition", rolling.partition)])
    if (unavailable := rolling.max_unavailable) is not None:
        at = f"{path}.rollingUpdate.maxUnavailable"
        errors += workload.int_or_percent(at, unavailable)
        if workload.amount(unavailable) == 0:
            errors.append(invalid(at, unavailable, "cannot be 0"))
        errors += workload.at_most_whole(at, unavailable)
    return errors


def _retention_errors(found: StatefulSetPersistentVolumeClaimRetentionPolicy | None) -> FieldErrors:
    if found is None:
        return []
    path = "spec.persistentVolumeClaimRetentionPolicy"
    return checks.one_of(f"{path}.whenDeleted", found.when_deleted, ("Retain", "Delete")) + checks.one_of(
        f"{path}.whenScaled", found.when_scaled, ("Retain", "Delete")
    )


def _as_pods_have_it(obj: StatefulSet) -> PodTemplateSpec:
    """The template as its pods will be: with a volume for each claim template, and host names of their own."""
    made = obj.spec.template
    pod = made.spec
    if pod.hostname or pod.subdomain:
        pod = replace(pod, hostname="", subdomain="")
    names = dict.fromkeys(claim.metadata.name for claim in obj.spec.volume_claim_templates)
    if names:
        kept = tuple(volume for volume in pod.volumes if volume.name not in names)
        pod = replace(pod, volumes=(*kept, *map(_claim_volume, names)))
    return made if pod is made.spec else replace(made, spec=pod)


def _claim_volume(name: str) -> Volume:
    return Volume(name=name, persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=name))


def _template_errors(obj: StatefulSet) -> FieldErrors:
    """Labels and annotations are checked by themselves, and once more with the whole."""
    path, made = "spec.template", obj.spec.template
    errors = metadata.label_map(made.metadata.labels, f"{path}.labels")
    errors += metadata.annotation_map(made.metadata.annotations, f"{path}.annotations")
    errors += annotated.validate(f"{path}.annotations", made.metadata.annotations, made.spec)
    return errors + template_errors(path, _as_pods_have_it(obj))


def validate(obj: StatefulSet) -> FieldErrors:
    errors = _spec(obj)
    for index, claim in enumerate(obj.spec.volume_claim_templates):
        errors += claims.validate(f"spec.volumeClaimTemplates[{index}].spec", claim.spec)
    return errors


def _spec(obj: StatefulSet) -> FieldErrors:
    """All of a spec but its claim templates, which an update cannot change."""
    spec = obj.spec
    errors: FieldErrors = []
    if not spec.pod_management_policy:
        errors.append(required("spec.podManagementPolicy"))
    elif spec.pod_management_policy not in ("OrderedReady", "Parallel"):
        detail = "must be 'OrderedReady' or 'Parallel'"
        errors.append(invalid("spec.podManagementPolicy", spec.pod_management_policy, detail))
    errors += _strategy_errors(spec.update_strategy)
    errors += _retention_errors(spec.persistent_volume_claim_retention_policy)
    errors += workload.numbers("spec", [("replicas", spec.replicas), ("minReadySeconds", spec.min_ready_seconds)])
    if spec.ordinals is not None:
        errors += workload.numbers("spec.ordinals", [("start", spec.ordinals.start)])
    if spec.service_name:
        errors += all_invalid("spec.serviceName", spec.service_name, dns_label(spec.service_name))
    errors += workload.selector("spec.selector", spec.selector, "statefulset")
    selected = workload.labels_selected("spec.template", spec.template, spec.selector)
    if selected is None:
        errors.append(invalid("spec.selector", spec.selector, ""))
    else:
        errors += selected + _template_errors(obj)
    return errors + workload.always_running("spec.template", spec.template, "StatefulSet")


def validate_update(new: StatefulSet, old: StatefulSet) -> FieldErrors:
    errors = _spec(new)
    same = replace(new.spec, **{name: getattr(old.spec, name) for name in _MUTABLE})
    return errors if same == old.spec else [*errors, forbidden("spec", _FORBIDDEN)]


def validate_status(new: StatefulSet, old: StatefulSet) -> FieldErrors:
    status = new.status
    total, ready = status.replicas, status.ready_replicas
    errors = workload.status_counts(
        [
            ("replicas", total),
            ("readyReplicas", ready),
            ("currentReplicas", status.current_replicas),
            ("updatedReplicas", status.updated_replicas),
            ("availableReplicas", status.available_replicas),
            ("observedGeneration", status.observed_generation),
            ("collisionCount", status.collision_count),
        ],
        [
            ("readyReplicas", ready, "status.replicas", total),
            ("currentReplicas", status.current_replicas, "status.replicas", total),
            ("updatedReplicas", status.updated_replicas, "status.replicas", total),
            ("availableReplicas", status.available_replicas, "status.replicas", total),
            ("availableReplicas", status.available_replicas, "status.readyReplicas", ready),
        ],
    )
    return errors + workload.not_decremented(status.collision_count, old.status.collision_count)


_ENDLESS = "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"


def _template_warnings(obj: StatefulSet) -> list[str]:
    found = list(warnings.template("spec.template", obj.spec.template))
    for index, claim in enumerate(obj.spec.volume_claim_templates):
        found += claims.warnings(f"spec.volumeClaimTemplates[{index}].Spec", claim.spec)
    return found


def warn(obj: StatefulSet) -> Sequence[str]:
    limit = obj.spec.revision_history_limit
    return [*_template_warnings(obj), _ENDLESS] if limit is not None and limit < 0 else _template_warnings(obj)


def warn_update(new: StatefulSet, old: StatefulSet) -> Sequence[str]:
    found = _template_warnings(new) if new.metadata.generation != old.metadata.generation else []
    limit = new.spec.revision_history_limit
    changed = limit != old.spec.revision_history_limit
    return [*found, _ENDLESS] if changed and limit is not None and limit < 0 else found


def row(obj: StatefulSet, now: float) -> Sequence[Cell]:
    spec = obj.spec
    return (
        obj.metadata.name,
        f"{obj.status.ready_replicas}/{spec.replicas or 0}",
        age(obj.metadata.creation_timestamp, now),
        *workload.container_cells(spec.template.spec.containers),
    )


STRATEGY = Strategy(
    type=StatefulSet,
    zero=StatefulSet(spec=StatefulSetSpec(replicas=0)),
    prefix="statefulsets",
    name=dns_label,
    defaults=defaults,
    generation=("spec",),
    prepare_create=lambda obj, write: gated.of_template(without_gated(obj, None)),
    prepare_update=lambda new, old, write: gated.of_template(without_gated(new, old)),
    validate=validate,
    warnings=warn,
    warnings_update=warn_update,
    validate_update=validate_update,
    row=row,
    status=Status(validate=validate_status),
    scale=Scale(**replicas_scale(lambda o: str(of_object(o.spec.selector)))),
)
