"""Which names a definition gets, and what its conditions say of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from pilothouse.api.time import format_time
from pilothouse.api.types.apiextensions.v1 import (
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionStatus,
)
from pilothouse.kinds.apiextensions.approval import approval
from pilothouse.kinds.apiextensions.conversion_rules import bundle_fault_of
from pilothouse.semantics import conditions

Condition = CustomResourceDefinitionCondition
_CONFORMANT = "KubernetesAPIApprovalPolicyConformant"
Crd = CustomResourceDefinition


def decided(crd: Crd, others: Iterable[Crd], now: float, problem: str = "") -> CustomResourceDefinitionStatus:
    """The status of a definition beside `others` of its group: names that are free are accepted, and once all are,
    the definition is established for good; unless a `problem` keeps it from being served, or its conversion webhook has
    authorities (`caBundle`) that cannot be read, as upstream's EstablishingController has it."""
    accepted, conflicts = _names(crd, others)
    held = tuple(crd.status.conditions or ())
    if conflicts:
        reason, message = conflicts
        names = Condition(type="NamesAccepted", status="False", reason=reason, message=message)
    else:
        names = Condition(type="NamesAccepted", status="True", reason="NoConflicts", message="no conflicts found")
    found = with_condition(held, names, now)
    established = next((c for c in held if c.type == "Established"), None)
    if problem:
        established = Condition(type="Established", status="False", reason="NotServable", message=problem)
        found = with_condition(found, established, now)
    elif established is None or established.status != "True":
        if conflicts:
            reason, message = "NotAccepted", "not all names are accepted"
            established = Condition(type="Established", status="False", reason=reason, message=message)
        elif bundle_fault_of(crd.spec.conversion):
            reason, message = "InvalidCABundle", "The conversion webhook CABundle is invalid"
            established = Condition(type="Established", status="False", reason=reason, message=message)
        else:
            message = "the initial names have been accepted"
            established = Condition(type="Established", status="True", reason="InitialNamesAccepted", message=message)
        found = with_condition(found, established, now)
    if (judged := approval(crd)) is not None:
        status = "True" if judged.reason == "ApprovedAnnotation" else "False"
        told = Condition(type=_CONFORMANT, status=status, reason=judged.reason, message=judged.message)
        found = with_condition(found, told, now)
    return replace(crd.status, accepted_names=accepted, conditions=found)


def with_condition(held: Sequence[Condition], wanted: Condition, now: float) -> tuple[Condition, ...]:
    """The conditions with one set now."""
    return conditions.put(tuple(held), replace(wanted, last_transition_time=format_time(now)))


def _names(crd: Crd, others: Iterable[Crd]) -> tuple[CustomResourceDefinitionNames, tuple[str, str] | None]:
    """The accepted names, and (reason, message) of the first conflict."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        if other.metadata.name != crd.metadata.name:
            names = other.status.accepted_names
            resources |= {names.plural, names.singular, *names.short_names} - {""}
            kinds |= {names.kind, names.list_kind} - {""}
    wanted, accepted = crd.spec.names, crd.status.accepted_names
    conflict: tuple[str, str] | None = None
    for attribute, taken, reason in (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("short_names", resources, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("list_kind", kinds, "ListKindConflict"),
    ):
        value = getattr(wanted, attribute)
        clash = [v for v in ((value,) if isinstance(value, str) else value) if v in taken]
        if clash:
            told = ", ".join(f'"{name}" is already in use' for name in clash)
            conflict = (reason, told if len(clash) == 1 else f"[{told}]")
        else:
            accepted = replace(accepted, **{attribute: value})
    return replace(accepted, categories=wanted.categories), conflict
