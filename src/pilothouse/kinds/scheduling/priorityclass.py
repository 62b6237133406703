"""PriorityClass."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported
from pilothouse.api.types.scheduling.v1 import PriorityClass
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, Strategy

HIGHEST = 1000000000
SYSTEM_PREFIX = "system-"
SYSTEM_VALUES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
POLICIES = ("PreemptLowerPriority", "Never")


def defaults(obj: PriorityClass) -> PriorityClass:
    return obj if obj.preemption_policy is not None else replace(obj, preemption_policy="PreemptLowerPriority")


def validate(obj: PriorityClass) -> FieldErrors:
    """Names of the system's classes are known, and their values the highest."""
    found: FieldErrors = []
    name = obj.metadata.name
    if name.startswith(SYSTEM_PREFIX):
        if fault := _system_fault(obj):
            text = (
                f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {fault}"
            )
            found.append(forbidden("metadata.name", text))
    elif obj.value > HIGHEST:
        found.append(forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST}"))
    if obj.preemption_policy is not None and obj.preemption_policy not in POLICIES:
        found.append(not_supported("preemptionPolicy", obj.preemption_policy, POLICIES))
    return found


def _system_fault(obj: PriorityClass) -> str:
    name = obj.metadata.name
    if name not in SYSTEM_VALUES:
        return f"{name} is not a known system priority class"
    if obj.value != SYSTEM_VALUES[name]:
        return f"value of {name} PriorityClass must be {SYSTEM_VALUES[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if obj.global_default else ""


def validate_update(new: PriorityClass, old: PriorityClass) -> FieldErrors:
    found: FieldErrors = []
    if new.value != old.value:
        found.append(forbidden("value", "may not be changed in an update."))
    if new.preemption_policy != old.preemption_policy:
        found.append(invalid("preemptionPolicy", new.preemption_policy, "field is immutable"))
    return found


def row(obj: PriorityClass, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        obj.value,
        obj.global_default,
        age(obj.metadata.creation_timestamp, now),
        obj.preemption_policy,
    )


STRATEGY = Strategy(
    type=PriorityClass,
    prefix="priorityclasses",
    generation=("kind",),
    row=row,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
)
