"""RuntimeClass."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, all_invalid, duplicate, invalid, required
from pilothouse.api.types.core.v1 import ResourceRequirements, Toleration
from pilothouse.api.types.node.v1 import RuntimeClass, Scheduling
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.podspec import placement, resources, warnings
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy
from pilothouse.semantics.validation import meta as metadata
from pilothouse.semantics.validation.names import dns_label


def validate(obj: RuntimeClass) -> FieldErrors:
    errors = _handler(obj.handler)
    if obj.overhead is not None:
        fixed = ResourceRequirements(limits=obj.overhead.pod_fixed)
        errors += resources.requirements("overhead", fixed, ())
    return errors + (_scheduling(obj.scheduling) if obj.scheduling is not None else [])


def _handler(name: str) -> FieldErrors:
    return all_invalid("handler", name, dns_label(name, False)) if name else [required("handler")]


def _scheduling(found: Scheduling) -> FieldErrors:
    errors = metadata.label_map(found.node_selector, "scheduling.nodeSelector")
    errors += placement.tolerations("scheduling.tolerations", found.tolerations)
    seen: set[Toleration] = set()
    for index, toleration in enumerate(found.tolerations):
        if toleration in seen:
            errors.append(duplicate(f"scheduling.tolerations[{index}]", toleration))
        seen.add(toleration)
    return errors


def validate_update(new: RuntimeClass, old: RuntimeClass) -> FieldErrors:
    errors = validate(new)
    return errors if new.handler == old.handler else [*errors, invalid("handler", new.handler, metadata.IMMUTABLE)]


def warn(obj: RuntimeClass) -> Sequence[str]:
    """Labels of nodes that have other names now; upstream does not say which."""
    wanted = obj.scheduling.node_selector if obj.scheduling is not None else {}
    return [f"scheduling.nodeSelector: {warnings.LABELS[key]}" for key in sorted(wanted) if key in warnings.LABELS]


def row(obj: RuntimeClass, now: float) -> Sequence[Cell]:
    return obj.metadata.name, obj.handler, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=RuntimeClass,
    prefix="runtimeclasses",
    allow_unconditional_update=False,
    meta_update=MetaUpdate(whole=1),
    validate=validate,
    validate_update=validate_update,
    warnings=warn,
    row=row,
)
