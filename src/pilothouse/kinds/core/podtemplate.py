"""PodTemplate."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import PodTemplate
from pilothouse.kinds.cells import joined, labels
from pilothouse.kinds.core.podspec import gated, spec, warnings
from pilothouse.kinds.core.podspec.defaults import template
from pilothouse.kinds.strategy import Cell, Deletion, Strategy


def defaults(obj: PodTemplate) -> PodTemplate:
    return replace(obj, template=template(obj.template))


def without_gated(obj: PodTemplate) -> PodTemplate:
    return replace(obj, template=gated.template(obj.template))


def row(obj: PodTemplate, now: float) -> Sequence[Cell]:
    containers = obj.template.spec.containers or ()
    return (
        obj.metadata.name,
        joined((c.name for c in containers), empty=""),
        joined((c.image for c in containers), empty=""),
        labels(obj.template.metadata.labels),
    )


STRATEGY = Strategy(
    type=PodTemplate,
    prefix="podtemplates",
    defaults=defaults,
    generation=("template",),
    prepare_create=lambda obj, write: without_gated(obj),
    prepare_update=lambda new, old, write: without_gated(new),
    validate=lambda o: spec.template("template", o.template),
    warnings=lambda o: warnings.template("template", o.template),
    warnings_update=lambda new, old: warnings.changed_template("template", new, old, new.template),
    deletion=Deletion(returns_object=True),
    row=row,
)
