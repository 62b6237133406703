"""PersistentVolumeClaim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.quantity import ZERO, Quantity
from pilothouse.api.types.core.v1 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
)
from pilothouse.kinds.cells import age
from pilothouse.kinds.core import claims
from pilothouse.kinds.core.persistentvolume import CLASS, UNSET, modes
from pilothouse.kinds.core.podspec import checks, resources
from pilothouse.kinds.core.podspec.volumes import claim_spec
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Status, Strategy, Write
from pilothouse.semantics.validation.meta import IMMUTABLE

_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"
_RESIZES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)


def defaults(obj: PersistentVolumeClaim) -> PersistentVolumeClaim:
    if not obj.status.phase:
        obj = replace(obj, status=replace(obj.status, phase="Pending"))
    spec = claim_spec(obj.spec)
    return obj if spec is obj.spec else replace(obj, spec=spec)


def prepare_create(obj: PersistentVolumeClaim, write: Write) -> PersistentVolumeClaim:
    return replace(obj, spec=claims.with_sources(obj.spec, None), status=PersistentVolumeClaimStatus(phase="Pending"))


def prepare_update(new: PersistentVolumeClaim, old: PersistentVolumeClaim, write: Write) -> PersistentVolumeClaim:
    return replace(new, spec=claims.with_sources(new.spec, old.spec))


def validate(obj: PersistentVolumeClaim) -> FieldErrors:
    return claims.validate("spec", obj.spec)


def validate_update(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> FieldErrors:
    spec, before = new.spec, claims.with_sources(old.spec, old.spec)
    found = claims.validate("spec", spec, any_group=claims.has_group(old.spec))
    wanted, former = spec, before
    if not before.volume_name:
        former = replace(former, volume_name=spec.volume_name)
    if _class_moved(new, old):
        wanted = replace(wanted, storage_class_name=None)
    else:
        annotation = new.metadata.annotations.get(CLASS, "")
        if annotation != old.metadata.annotations.get(CLASS, ""):
            found.append(invalid(f"metadata.annotations.{CLASS}", annotation, IMMUTABLE))
        if _class_chosen(new, old):
            wanted = replace(wanted, storage_class_name=before.storage_class_name)
    if new.status.phase == "Bound":
        wanted = _as_bound(wanted, former)
    if wanted != former:
        found.append(forbidden("spec", _FIXED + go_text.unified_diff(former, wanted)))
    found += _sizes(new, old)
    if spec.volume_mode != before.volume_mode:
        found.append(invalid("volumeMode", spec.volume_mode, IMMUTABLE))
    attributes, applied = spec.volume_attributes_class_name, old.status.current_volume_attributes_class_name
    if applied is not None and not attributes and attributes != before.volume_attributes_class_name:
        what = "nil" if attributes is None else "empty string"
        detail = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        found.append(forbidden("spec.volumeAttributesClassName", detail))
    return found


def _as_bound(wanted: PersistentVolumeClaimSpec, former: PersistentVolumeClaimSpec) -> PersistentVolumeClaimSpec:
    """A bound claim may ask for another size, and for another class of attributes."""
    if wanted.resources.requests:
        storage = former.resources.requests.get("storage", ZERO)
        requests = {**wanted.resources.requests, "storage": storage}
        wanted = replace(wanted, resources=replace(wanted.resources, requests=requests))
    return replace(wanted, volume_attributes_class_name=former.volume_attributes_class_name)


def _class_moved(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> bool:
    """The storage class goes from the beta annotation to the field."""
    before, now = old.metadata.annotations.get(CLASS), new.metadata.annotations.get(CLASS)
    return (
        before is not None
        and old.spec.storage_class_name is None
        and new.spec.storage_class_name == before
        and now in (None, before)
    )


def _class_chosen(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> bool:
    """A claim without a storage class is given one."""
    name, annotation = new.spec.storage_class_name, old.metadata.annotations.get(CLASS)
    return name is not None and old.spec.storage_class_name is None and annotation in (None, name)


def _sizes(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> FieldErrors:
    """A claim that could not grow may ask for less again, but for more than it has."""
    wanted = new.spec.resources.requests.get("storage", ZERO)
    if wanted >= old.spec.resources.requests.get("storage", ZERO):
        return []
    if wanted > old.status.capacity.get("storage", ZERO):
        return []
    return [forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")]


def validate_status(new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> FieldErrors:
    status = new.status
    found = [] if new.spec.access_modes else [required("Spec.accessModes")]
    found += _amounts("status.capacity", status.capacity)
    path = "status.allocatedResourceStatuses"
    for name, state in status.allocated_resource_statuses.items():
        found += _resource(path, name)
        if state not in _RESIZES:
            found.append(not_supported(path, name, _RESIZES))
    path = "status.allocatedResources"
    for name, amount in status.allocated_resources.items():
        odd = _resource(path, name) or _amounts(path, {name: amount})
        found += odd or resources.amount(f"{path}[{name}]", "storage", amount)
    return found


def _amounts(path: str, amounts: Mapping[str, Quantity]) -> FieldErrors:
    return [
        invalid(f"{path}[{name}]", amount.integer(), "must be a valid resource quantity")
        for name, amount in amounts.items()
        if amount.value < 0
    ]


def _resource(path: str, name: str) -> FieldErrors:
    """Storage is what a claim has; anything else is of another's domain."""
    found = checks.qualified(path, name)
    if found or name == "storage" or not resources.is_native(name):
        return found
    return [not_supported(path, name, ("storage",))]


def warnings(obj: PersistentVolumeClaim) -> Sequence[str]:
    told = [claims.CLASS_WARNING] if CLASS in obj.metadata.annotations else []
    return [*told, *claims.warnings("spec", obj.spec)]


def row(obj: PersistentVolumeClaim, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    bound = bool(spec.volume_name)
    capacity = status.capacity.get("storage")
    return (
        obj.metadata.name,
        "Terminating" if obj.metadata.deletion_timestamp is not None else status.phase,
        spec.volume_name,
        (str(capacity) if capacity is not None else "0") if bound else "",
        modes(status.access_modes) if bound else "",
        obj.metadata.annotations.get(CLASS, spec.storage_class_name or ""),
        UNSET if spec.volume_attributes_class_name is None else spec.volume_attributes_class_name,
        age(obj.metadata.creation_timestamp, now),
        UNSET if spec.volume_mode is None else spec.volume_mode,
    )


STRATEGY = Strategy(
    type=PersistentVolumeClaim,
    prefix="persistentvolumeclaims",
    status=Status(validate=validate_status),
    deletion=Deletion(returns_object=True),
    meta_update=MetaUpdate(whole=1),
    tells_empty=True,
    row=row,
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
