"""ResourceClaim."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.types.resource.v1 import ResourceClaim
from pilothouse.kinds.cells import age
from pilothouse.kinds.declare import with_kept_meta
from pilothouse.kinds.resource import allocations, requests
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Status, Strategy, Write
from pilothouse.semantics.validation.meta import IMMUTABLE


def defaults(obj: ResourceClaim) -> ResourceClaim:
    devices = requests.defaults(obj.spec.devices)
    if devices is not obj.spec.devices:
        obj = replace(obj, spec=replace(obj.spec, devices=devices))
    status = allocations.defaults(obj.status)
    return obj if status is obj.status else replace(obj, status=status)


def validate(obj: ResourceClaim) -> FieldErrors:
    return requests.validate("spec.devices", obj.spec.devices)


def validate_update(new: ResourceClaim, old: ResourceClaim) -> FieldErrors:
    return [invalid("spec", new.spec, IMMUTABLE)] if new.spec != old.spec else []


validate_status = allocations.validate


def prepare_status(new: ResourceClaim, old: ResourceClaim, write: Write) -> ResourceClaim:
    return allocations.without_deallocated(with_kept_meta(new, old), old)


def row(obj: ResourceClaim, now: float) -> Sequence[Cell]:
    states = []
    if obj.metadata.deletion_timestamp is not None:
        states.append("deleted")
    if obj.status.allocation is None:
        states += [] if states else ["pending"]
    else:
        states.append("allocated")
        if obj.status.reserved_for:
            states.append("reserved")
    return obj.metadata.name, ",".join(states), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ResourceClaim,
    prefix="resourceclaims",
    meta_update=MetaUpdate(whole=1),
    status=Status(
        prepare=prepare_status,
        validate=validate_status,
    ),
    deletion=Deletion(returns_object=True),
    row=row,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
)
