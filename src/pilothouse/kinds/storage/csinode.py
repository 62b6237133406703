"""CSINode."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import (
    FieldErrors,
    duplicate,
    invalid,
    required,
)
from pilothouse.api.types.storage.v1 import CSINode
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.disks import driver_name
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Strategy
from pilothouse.semantics.validation import names
from pilothouse.semantics.validation.meta import IMMUTABLE

_NODE_ID = 256


def row(obj: CSINode, now: float) -> Sequence[Cell]:
    return obj.metadata.name, len(obj.spec.drivers or ()), age(obj.metadata.creation_timestamp, now)


def validate(obj: CSINode) -> FieldErrors:
    found: FieldErrors = []
    seen: set[str] = set()
    for index, driver in enumerate(obj.spec.drivers or ()):
        path = f"spec.drivers[{index}]"
        found += driver_name(f"{path}.name", driver.name)
        if driver.name in seen:
            found.append(duplicate(f"{path}.name", driver.name))
        seen.add(driver.name)
        if not driver.node_id:
            found.append(required(f"{path}.nodeID"))
        if names.longer(driver.node_id, _NODE_ID):
            found.append(invalid(f"{path}.nodeID", driver.node_id, f"must be {_NODE_ID} characters or less"))
        keys: set[str] = set()
        for key in driver.topology_keys or ():
            if not key:
                found.append(required(path))
            if key in keys:
                found.append(duplicate(path, key))
            keys.add(key)
            found += [invalid(path, key, fault) for fault in names.qualified_name(key)]
        count = driver.allocatable.count if driver.allocatable is not None else None
        if count is not None and count < 0:
            told = "must be greater than or equal to 0"
            found.append(invalid(f"{path}.allocatable.count", count, told))
    return found


def validate_update(new: CSINode, old: CSINode) -> FieldErrors:
    """A driver may come and go, but not change. What makes a new object bad comes twice."""
    found: FieldErrors = []
    held = {driver.name: driver for driver in old.spec.drivers or ()}
    for driver in new.spec.drivers or ():
        before = held.get(driver.name)
        if before is not None and replace(before, allocatable=None) != replace(driver, allocatable=None):
            found.append(invalid("spec.drivers", driver, IMMUTABLE))
    return found + list(validate(new)) * 2


STRATEGY = Strategy(
    type=CSINode,
    prefix="csinodes",
    meta_update=MetaUpdate(whole=2, change=0),
    allow_unconditional_update=False,
    deletion=Deletion(returns_object=True),
    row=row,
    validate=validate,
    validate_update=validate_update,
)
