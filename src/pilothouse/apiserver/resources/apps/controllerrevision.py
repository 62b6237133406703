"""ControllerRevision."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.apps.v1 import ControllerRevision
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import NONE, age


def row(obj: ControllerRevision, now: float) -> Sequence[Cell]:
    owner = next((o for o in obj.metadata.owner_references if o.controller), None)
    group = owner.api_version.partition("/")[0] if owner is not None and "/" in owner.api_version else ""
    controller = NONE
    if owner is not None:
        kind = f"{owner.kind.lower()}.{group}" if group else owner.kind.lower()
        controller = f"{kind}/{owner.name}"
    return obj.metadata.name, controller, obj.revision, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ControllerRevision,
    prefix="controllerrevisions",
    row=row,
)
