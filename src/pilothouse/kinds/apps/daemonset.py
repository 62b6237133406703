"""DaemonSet: its template's generation is mirrored in an annotation, which old clients read."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, invalid, not_supported, required
from pilothouse.api.integers import integer
from pilothouse.api.types.apps.v1 import DaemonSet, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from pilothouse.kinds.apps import workload
from pilothouse.kinds.cells import age, labels, selector
from pilothouse.kinds.core.podspec import gated, warnings
from pilothouse.kinds.core.podspec.defaults import template
from pilothouse.kinds.core.podspec.spec import template as template_errors
from pilothouse.kinds.declare import with_meta
from pilothouse.kinds.strategy import Cell, Status, Strategy, Write
from pilothouse.semantics.validation import selectors

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _strategy(found: DaemonSetUpdateStrategy) -> DaemonSetUpdateStrategy:
    """Amounts have no absence within upstream: those that nobody defaults are 0."""
    kind = found.type or "RollingUpdate"
    if kind != "RollingUpdate" and found.rolling_update is None:
        return found
    rolling = found.rolling_update or RollingUpdateDaemonSet()
    unavailable = 1 if kind == "RollingUpdate" else 0
    rolling = replace(
        rolling,
        max_unavailable=unavailable if rolling.max_unavailable is None else rolling.max_unavailable,
        max_surge=0 if rolling.max_surge is None else rolling.max_surge,
    )
    return replace(found, type=kind, rolling_update=rolling)


def defaults(obj: DaemonSet) -> DaemonSet:
    spec = obj.spec
    if TEMPLATE_GENERATION not in obj.metadata.annotations:
        obj = _marked(obj, 0)  # whoever writes the object manages it too
    return replace(
        obj,
        spec=replace(
            spec,
            update_strategy=_strategy(spec.update_strategy),
            revision_history_limit=10 if spec.revision_history_limit is None else spec.revision_history_limit,
            template=template(spec.template),
        ),
    )


def _generation(obj: DaemonSet) -> int:
    text = obj.metadata.annotations.get(TEMPLATE_GENERATION, "")
    number = integer(text) or 0
    return number if 0 < number < 2**63 - 1 else 0


def _marked(obj: DaemonSet, generation: int) -> DaemonSet:
    return with_meta(obj, annotations={**obj.metadata.annotations, TEMPLATE_GENERATION: str(generation)})


def prepare_create(obj: DaemonSet, write: Write) -> DaemonSet:
    return _marked(gated.of_template(obj), max(_generation(obj), 1))


def prepare_update(new: DaemonSet, old: DaemonSet, write: Write) -> DaemonSet:
    """The annotation is the server's: it counts changes of the template."""
    new = gated.of_template(new)
    changed = new.spec.template != old.spec.template
    return _marked(new, _generation(old) + 1 if changed else _generation(old))


def prepare_status(new: DaemonSet, old: DaemonSet, write: Write) -> DaemonSet:
    return _marked(new, _generation(old))


def _strategy_errors(found: DaemonSetUpdateStrategy) -> FieldErrors:
    path, rolling = "spec.updateStrategy", found.rolling_update
    if found.type == "OnDelete":
        return []
    if found.type != "RollingUpdate":
        return [not_supported(path, found, ("RollingUpdate", "OnDelete"))]
    if rolling is None:
        return [required(f"{path}.rollingUpdate")]
    path += ".rollingUpdate"
    unavailable, surge = rolling.max_unavailable or 0, rolling.max_surge or 0
    errors = workload.int_or_percent(f"{path}.maxUnavailable", unavailable)
    errors += workload.int_or_percent(f"{path}.maxSurge", surge)
    errors += workload.at_most_whole(f"{path}.maxUnavailable", unavailable)
    errors += workload.at_most_whole(f"{path}.maxSurge", surge)
    has_unavailable, has_surge = workload.amount(unavailable) != 0, workload.amount(surge) != 0
    if has_unavailable and has_surge:
        errors.append(invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not has_unavailable and not has_surge:
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return errors


def validate(obj: DaemonSet) -> FieldErrors:
    spec = obj.spec
    errors = selectors.label_selector("spec.selector", spec.selector) if spec.selector is not None else []
    errors += workload.labels_selected("spec.template", spec.template, spec.selector) or []
    if spec.selector is not None and not spec.selector.match_labels and not spec.selector.match_expressions:
        errors.append(invalid("spec.selector", spec.selector, "empty selector is invalid for daemonset"))
    errors += template_errors("spec.template", spec.template)
    errors += workload.always_running("spec.template", spec.template, "DaemonSet")
    errors += workload.numbers("spec", [("minReadySeconds", spec.min_ready_seconds)])
    errors += _strategy_errors(spec.update_strategy)
    return errors + workload.numbers("spec", [("revisionHistoryLimit", spec.revision_history_limit)])


def validate_update(new: DaemonSet, old: DaemonSet) -> FieldErrors:
    return validate(new) + workload.unchanged_selector(new.spec.selector, old.spec.selector)


def validate_status(new: DaemonSet, old: DaemonSet) -> FieldErrors:
    status = new.status
    errors = workload.status_counts(
        [
            ("currentNumberScheduled", status.current_number_scheduled),
            ("numberMisscheduled", status.number_misscheduled),
            ("desiredNumberScheduled", status.desired_number_scheduled),
            ("numberReady", status.number_ready),
            ("observedGeneration", status.observed_generation),
            ("updatedNumberScheduled", status.updated_number_scheduled),
            ("numberAvailable", status.number_available),
            ("numberUnavailable", status.number_unavailable),
            ("collisionCount", status.collision_count),
        ],
        [],
    )
    return errors + workload.not_decremented(status.collision_count, old.status.collision_count)


def row(obj: DaemonSet, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    return (
        obj.metadata.name,
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.number_ready,
        status.updated_number_scheduled,
        status.number_available,
        labels(spec.template.spec.node_selector),
        age(obj.metadata.creation_timestamp, now),
        *workload.container_cells(spec.template.spec.containers),
        selector(spec.selector),
    )


STRATEGY = Strategy(
    type=DaemonSet,
    prefix="daemonsets",
    generation=("spec",),
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    warnings=lambda o: warnings.template("spec.template", o.spec.template),
    warnings_update=lambda new, old: warnings.changed_template("spec.template", new, old, new.spec.template),
    validate_update=validate_update,
    row=row,
    status=Status(prepare=prepare_status, validate=validate_status),
)
