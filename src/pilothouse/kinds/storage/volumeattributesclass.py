"""VolumeAttributesClass."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import (
    FieldErrors,
    forbidden,
    invalid,
    required,
)
from pilothouse.api.types.storage.v1 import VolumeAttributesClass
from pilothouse.kinds.cells import age
from pilothouse.kinds.storage.storageclass import parameter_errors
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy
from pilothouse.semantics.validation import names

DEFAULT = "volumeattributesclass.alpha.kubernetes.io/is-default-class"


def row(obj: VolumeAttributesClass, now: float) -> Sequence[Cell]:
    name = obj.metadata.name
    if obj.metadata.annotations.get(DEFAULT) == "true":
        name += " (default)"
    return name, obj.driver_name, age(obj.metadata.creation_timestamp, now)


def validate(obj: VolumeAttributesClass) -> FieldErrors:
    found: FieldErrors = []
    if not obj.driver_name:
        found.append(required("driverName"))
    else:
        name = obj.driver_name.lower()
        found += [invalid("driverName", name, fault) for fault in names.qualified_name(name)]
    if not obj.parameters:
        found.append(required("parameters", "must contain at least one key/value pair"))
    return found + parameter_errors(obj.parameters, "parameters")


def validate_update(new: VolumeAttributesClass, old: VolumeAttributesClass) -> FieldErrors:
    found: FieldErrors = []
    if new.driver_name != old.driver_name:
        found.append(forbidden("driverName", "updates to driverName are forbidden."))
    if new.parameters != old.parameters:
        found.append(forbidden("parameters", "updates to parameters are forbidden."))
    return found + validate(new)


STRATEGY = Strategy(
    type=VolumeAttributesClass,
    prefix="volumeattributesclasses",
    meta_update=MetaUpdate(whole=1),
    row=row,
    validate=validate,
    validate_update=validate_update,
)
