"""CSIDriver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.field_errors import (
    FieldErrors,
    duplicate,
    invalid,
    not_supported,
    required,
)
from pilothouse.api.types.storage.v1 import CSIDriver
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.strategy import Cell, Deletion, Strategy, Write
from pilothouse.semantics.validation.meta import IMMUTABLE


def defaults(obj: CSIDriver) -> CSIDriver:
    changes: dict[str, Any] = {}
    spec = obj.spec
    for name, value in (
        ("attach_required", True),
        ("pod_info_on_mount", False),
        ("storage_capacity", False),
        ("fs_group_policy", "ReadWriteOnceWithFSType"),
        ("requires_republish", False),
        ("se_linux_mount", False),
    ):
        if getattr(spec, name) is None:
            changes[name] = value
    if not spec.volume_lifecycle_modes:
        changes["volume_lifecycle_modes"] = ("Persistent",)
    return replace(obj, spec=replace(spec, **changes)) if changes else obj


def prepare_create(obj: CSIDriver, write: Write) -> CSIDriver:
    """Scheduling does not heed drivers that are missing yet: what asks for it is not kept."""
    return replace(obj, spec=replace(obj.spec, prevent_pod_scheduling_if_missing=None))


def prepare_update(new: CSIDriver, old: CSIDriver, write: Write) -> CSIDriver:
    return new if old.spec.prevent_pod_scheduling_if_missing is not None else prepare_create(new, write)


def row(obj: CSIDriver, now: float) -> Sequence[Cell]:
    spec = obj.spec
    return (
        obj.metadata.name,
        spec.attach_required is not False,
        bool(spec.pod_info_on_mount),
        bool(spec.storage_capacity),
        ",".join(request.audience for request in spec.token_requests) if spec.token_requests else "<unset>",
        bool(spec.requires_republish),
        ",".join(spec.volume_lifecycle_modes) or NONE,
        age(obj.metadata.creation_timestamp, now),
    )


_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MODES = ("Persistent", "Ephemeral")


def validate(obj: CSIDriver) -> FieldErrors:
    spec = obj.spec
    found: FieldErrors = []
    for path, value in (
        ("attachedRequired", spec.attach_required),
        ("podInfoOnMount", spec.pod_info_on_mount),
        ("storageCapacity", spec.storage_capacity),
        ("seLinuxMount", spec.se_linux_mount),
    ):
        if value is None:
            found.append(required(f"spec.{path}"))
    if spec.fs_group_policy is not None and spec.fs_group_policy not in _POLICIES:
        found.append(not_supported("spec.fsGroupPolicy", spec.fs_group_policy, _POLICIES))
    audiences: set[str] = set()
    for index, request in enumerate(spec.token_requests):
        path = f"spec.tokenRequests[{index}]"
        if request.audience in audiences:
            found.append(duplicate(f"{path}.audience", request.audience))
            continue
        audiences.add(request.audience)
        seconds = request.expiration_seconds
        if seconds is not None and seconds < 600:
            found.append(
                invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
            )
        if seconds is not None and seconds > 1 << 32:
            told = "may not specify a duration larger than 2^32 seconds"
            found.append(invalid(f"{path}.expirationSeconds", seconds, told))
    for mode in spec.volume_lifecycle_modes:
        if mode not in _MODES:
            found.append(not_supported("spec.volumeLifecycleModes", mode, _MODES))
    period = spec.node_allocatable_update_period_seconds
    if period is not None and period < 10:
        told = "must be greater than or equal to 10 seconds"
        found.append(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, told))
    return found


def validate_update(new: CSIDriver, old: CSIDriver) -> FieldErrors:
    found: FieldErrors = []
    a, b = new.spec, old.spec
    if a.attach_required != b.attach_required:
        found.append(invalid("spec.attachedRequired", a.attach_required, IMMUTABLE))
    if a.volume_lifecycle_modes != b.volume_lifecycle_modes:
        found.append(invalid("spec.volumeLifecycleModes", a.volume_lifecycle_modes, IMMUTABLE))
    return [*found, *validate(new)]


def warnings(obj: CSIDriver) -> Sequence[str]:
    if not obj.spec.token_requests or obj.spec.service_account_token_in_secrets is not None:
        return ()
    told = (
        "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible "
        "logging of tokens in volume attributes"
    )
    return (told,)


STRATEGY = Strategy(
    type=CSIDriver,
    prefix="csidrivers",
    generation=("spec",),
    first_generation=0,
    allow_unconditional_update=False,
    deletion=Deletion(returns_object=True),
    row=row,
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
