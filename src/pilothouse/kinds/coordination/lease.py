"""Lease. The fields of coordinated leader election are dropped: the reference has that feature off by default."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.types.coordination.v1 import Lease
from pilothouse.kinds.cells import age
from pilothouse.kinds.declare import with_spec
from pilothouse.kinds.strategy import Cell, Strategy, Write


def prepare_create(obj: Lease, write: Write) -> Lease:
    if obj.spec.strategy is None and obj.spec.preferred_holder is None:
        return obj
    return with_spec(obj, strategy=None, preferred_holder=None)


def prepare_update(new: Lease, old: Lease, write: Write) -> Lease:
    return prepare_create(new, write)


def validate(obj: Lease) -> FieldErrors:
    found: FieldErrors = []
    duration, transitions = obj.spec.lease_duration_seconds, obj.spec.lease_transitions
    if duration is not None and duration <= 0:
        found.append(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        found.append(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    return found


def row(obj: Lease, now: float) -> Sequence[Cell]:
    return obj.metadata.name, obj.spec.holder_identity or "", age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=Lease,
    prefix="leases",
    allow_create_on_update=True,
    allow_unconditional_update=False,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    row=row,
)
