"""ControllerRevision."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, invalid, required
from pilothouse.api.types.apps.v1 import ControllerRevision
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.core.podspec import checks
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy
from pilothouse.semantics.validation.meta import IMMUTABLE


def validate(obj: ControllerRevision) -> FieldErrors:
    errors = [required("data", "data is mandatory")] if obj.data is None else []
    return errors + checks.non_negative("revision", obj.revision)


def validate_update(new: ControllerRevision, old: ControllerRevision) -> FieldErrors:
    """What a revision holds is fixed, to the byte."""
    errors = validate(new)
    return errors if new.data == old.data else [*errors, invalid("data", new.data, IMMUTABLE)]


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
    meta_update=MetaUpdate(whole=1),
    validate=validate,
    validate_update=validate_update,
    row=row,
)
