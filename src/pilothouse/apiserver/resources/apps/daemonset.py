"""DaemonSet: its template's generation is mirrored in an annotation, which old clients read."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.apps.v1 import DaemonSet, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy, Write
from pilothouse.apiserver.resources.core.podspec.defaults import template
from pilothouse.apiserver.resources.declare import with_meta
from pilothouse.apiserver.table.cells import age, joined, labels, selector

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _strategy(found: DaemonSetUpdateStrategy) -> DaemonSetUpdateStrategy:
    kind = found.type or "RollingUpdate"
    if kind != "RollingUpdate":
        return found
    rolling = found.rolling_update or RollingUpdateDaemonSet()
    rolling = replace(
        rolling,
        max_unavailable=1 if rolling.max_unavailable is None else rolling.max_unavailable,
        max_surge=0 if rolling.max_surge is None else rolling.max_surge,
    )
    return replace(found, type=kind, rolling_update=rolling)


def defaults(obj: DaemonSet) -> DaemonSet:
    spec = obj.spec
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
    return int(text) if text.isdecimal() else 0


def _marked(obj: DaemonSet, generation: int) -> DaemonSet:
    return with_meta(obj, annotations={**obj.metadata.annotations, TEMPLATE_GENERATION: str(generation)})


def prepare_create(obj: DaemonSet, write: Write) -> DaemonSet:
    return _marked(obj, max(_generation(obj), 1))


def prepare_update(new: DaemonSet, old: DaemonSet, write: Write) -> DaemonSet:
    """The annotation is the server's: it counts changes of the template."""
    changed = new.spec.template != old.spec.template
    return _marked(new, _generation(old) + 1 if changed else _generation(old))


def row(obj: DaemonSet, now: float) -> Sequence[Cell]:
    status = obj.status
    containers = obj.spec.template.spec.containers or ()
    return (
        obj.metadata.name,
        status.desired_number_scheduled,
        status.current_number_scheduled,
        status.number_ready,
        status.updated_number_scheduled,
        status.number_available,
        labels(obj.spec.template.spec.node_selector),
        age(obj.metadata.creation_timestamp, now),
        joined((c.name for c in containers), empty=""),
        joined((c.image for c in containers), empty=""),
        selector(obj.spec.selector),
    )


STRATEGY = Strategy(
    type=DaemonSet,
    prefix="daemonsets",
    generation=("spec",),
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    status=Status(),
    row=row,
)
