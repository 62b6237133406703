"""CertificateSigningRequest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.time import format_time
from pilothouse.api.types.certificates.v1 import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    CertificateSigningRequestStatus,
)
from pilothouse.kinds.cells import NONE, age, duration
from pilothouse.kinds.certificates import validation
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy, Write


def prepare_create(obj: CertificateSigningRequest, write: Write) -> CertificateSigningRequest:
    """Who asks is who sends the request."""
    user = write.user
    spec = replace(obj.spec, username=user.username, uid=user.uid, groups=user.groups, extra=user.extra)
    return replace(obj, spec=spec, status=CertificateSigningRequestStatus())


def prepare_update(
    new: CertificateSigningRequest, old: CertificateSigningRequest, write: Write
) -> CertificateSigningRequest:
    return replace(new, spec=old.spec, status=old.status)


def prepare_status(
    new: CertificateSigningRequest, old: CertificateSigningRequest, write: Write
) -> CertificateSigningRequest:
    """A signer may not approve or deny."""
    decided = tuple(c for c in old.status.conditions if c.type in DECISIONS)
    others = tuple(c for c in new.status.conditions if c.type not in DECISIONS)
    conditions = _stamped((*decided, *others), old, write)
    return replace(new, status=replace(new.status, conditions=conditions))


def prepare_approval(
    new: CertificateSigningRequest, old: CertificateSigningRequest, write: Write
) -> CertificateSigningRequest:
    """An approver may not sign."""
    conditions = _stamped(new.status.conditions, old, write)
    return replace(new, status=replace(old.status, conditions=conditions))


def _stamped(
    conditions: tuple[CertificateSigningRequestCondition, ...], old: CertificateSigningRequest, write: Write
) -> tuple[CertificateSigningRequestCondition, ...]:
    now = format_time(write.now)
    held = {c.type: c for c in old.status.conditions}
    found = []
    for condition in conditions:
        before = held.get(condition.type)
        changes: dict[str, Any] = {}
        if not condition.last_update_time:
            changes["last_update_time"] = now
        if not condition.last_transition_time:
            same = before is not None and before.status == condition.status and before.last_transition_time
            changes["last_transition_time"] = before.last_transition_time if before is not None and same else now
        found.append(replace(condition, **changes) if changes else condition)
    return tuple(found)


def row(obj: CertificateSigningRequest, now: float) -> Sequence[Cell]:
    spec = obj.spec
    lasting = NONE if spec.expiration_seconds is None else duration(spec.expiration_seconds)
    return (
        obj.metadata.name,
        age(obj.metadata.creation_timestamp, now),
        spec.signer_name,
        spec.username,
        lasting,
        _state(obj),
    )


def _state(obj: CertificateSigningRequest) -> str:
    types = [c.type for c in obj.status.conditions]
    found: list[str] = [t for t in ("Approved", "Denied", "Failed") if t in types] or ["Pending"]
    if obj.status.certificate:
        found.append("Issued")
    return ",".join(found)


DECISIONS = ("Approved", "Denied")
_WHOLE = MetaUpdate(whole=1)


STRATEGY = Strategy(
    type=CertificateSigningRequest,
    tells_empty=True,
    prefix="certificatesigningrequests",
    meta_update=_WHOLE,
    status=Status(prepare=prepare_status, meta_update=_WHOLE, validate=validation.status),
    own_field_labels=True,
    fields={"spec.signerName": lambda o: o.spec.signer_name},
    prepare_update=prepare_update,
    updates={"approval": Status(prepare=prepare_approval, meta_update=_WHOLE, validate=validation.approval)},
    row=row,
    prepare_create=prepare_create,
    name=validation.any_name,
    validate=validation.validate,
    validate_update=validation.unchanged,
    unowned=("spec",),
)
