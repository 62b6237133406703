"""A Scale as objects show it. Pure."""

from __future__ import annotations

from typing import Any

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.types.autoscaling.v1 import Scale, ScaleSpec, ScaleStatus
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kinds.strategy import Scale as ScaleRules


def scale_of(rules: ScaleRules[Any], obj: Any) -> Scale:
    """The Scale that an object shows."""
    meta: ObjectMeta = obj.metadata
    return Scale(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
            creation_timestamp=meta.creation_timestamp,
        ),
        spec=ScaleSpec(replicas=rules.spec_replicas(obj)),
        status=ScaleStatus(replicas=rules.status_replicas(obj), selector=rules.selector(obj)),
    )


def scale_errors(scale: Scale) -> FieldErrors:
    """Errors of a Scale that a client wrote."""
    if scale.spec.replicas >= 0:
        return []
    return [invalid("spec.replicas", scale.spec.replicas, "must be greater than or equal to 0")]
