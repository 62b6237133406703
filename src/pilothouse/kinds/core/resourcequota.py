"""ResourceQuota."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilothouse.api.field_errors import FieldErrors, invalid, required
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.podspec.resources import (
    CONTAINER,
    OBJECTS,
    amount,
    is_huge_page,
    resource_name,
)
from pilothouse.kinds.strategy import Cell, Deletion, Status, Strategy
from pilothouse.semantics.validation.meta import IMMUTABLE

STANDARD = OBJECTS | CONTAINER | {"requests.storage"} | {f"{k}.{n}" for k in ("requests", "limits") for n in CONTAINER}
_PODS = frozenset({"pods"})
_COMPUTE = _PODS | {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
SCOPES = {
    "Terminating": _COMPUTE,
    "NotTerminating": _COMPUTE,
    "BestEffort": _PODS,
    "NotBestEffort": _COMPUTE,
    "PriorityClass": _COMPUTE,
    "CrossNamespacePodAffinity": _COMPUTE,
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
"""The scopes, and the standard resources that can be limited within each."""
_EXISTING = frozenset({"BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity"})
_EXISTS_ONLY = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_OPPOSITES = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_UNFIT = "unsupported scope applied to resource"


def _standard(name: str) -> bool:
    return name in STANDARD or is_huge_page(name.removeprefix("requests."))


def amounts(path: str, found: Mapping[str, Quantity]) -> FieldErrors:
    errors: FieldErrors = []
    for name, value in found.items():
        at = f"{path}[{name}]"
        errors += resource_name(at, name)
        if "/" not in name and not _standard(name):
            errors.append(invalid(at, name, "must be a standard resource for quota"))
        errors += amount(at, name, value)
    return errors


def _unfit(scope: str, hard: Mapping[str, Quantity]) -> int:
    """How many of the limited resources cannot be told apart by a scope."""
    fit = SCOPES.get(scope)
    return 0 if fit is None else sum(1 for name in hard if _standard(name) and name not in fit)


def _scopes(spec: ResourceQuotaSpec) -> FieldErrors:
    errors: FieldErrors = []
    for scope in spec.scopes:
        if scope not in SCOPES:
            errors.append(invalid("spec.scopes", spec.scopes, "unsupported scope"))
        errors += [invalid("spec.scopes", spec.scopes, _UNFIT)] * _unfit(scope, spec.hard)
    return errors + _conflicts("spec.scopes", spec, spec.scopes)


def _conflicts(path: str, spec: ResourceQuotaSpec, scopes: Sequence[str]) -> FieldErrors:
    shown = spec.scopes or None
    return [invalid(path, shown, "conflicting scopes") for pair in _OPPOSITES if set(pair) <= set(scopes)]


def _selector(spec: ResourceQuotaSpec) -> FieldErrors:
    selector, path = spec.scope_selector, "spec.scopeSelector.matchExpressions"
    if selector is None:
        return []
    errors: FieldErrors = []
    for wanted in selector.match_expressions:
        if wanted.scope_name not in SCOPES:
            errors.append(invalid(f"{path}.scopeName", wanted.scope_name, "unsupported scope"))
        errors += [invalid(path, selector, _UNFIT)] * _unfit(wanted.scope_name, spec.hard)
        errors += _operator(path, wanted)
    return errors + _conflicts(path, spec, [wanted.scope_name for wanted in selector.match_expressions])


def _operator(path: str, wanted: ScopedResourceSelectorRequirement) -> FieldErrors:
    errors: FieldErrors = []
    operator, values = wanted.operator, wanted.values
    if wanted.scope_name in _EXISTING and operator != "Exists":
        errors.append(invalid(f"{path}.operator", operator, _EXISTS_ONLY))
    if operator in ("In", "NotIn"):
        if not values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            errors.append(required(f"{path}.values", detail))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            errors.append(invalid(f"{path}.values", values, detail))
    else:
        errors.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    return errors


def validate(obj: ResourceQuota) -> FieldErrors:
    return amounts("spec.hard", obj.spec.hard) + _scopes(obj.spec) + _selector(obj.spec)


def validate_update(new: ResourceQuota, old: ResourceQuota) -> FieldErrors:
    errors = validate(new)
    if set(new.spec.scopes) != set(old.spec.scopes):
        errors.append(invalid("spec.scopes", new.spec.scopes or None, IMMUTABLE))
    return errors


def validate_status(new: ResourceQuota, old: ResourceQuota) -> FieldErrors:
    return amounts("status.hard", new.status.hard) + amounts("status.used", new.status.used)


def row(obj: ResourceQuota, now: float) -> Sequence[Cell]:
    used = obj.status.used
    requests: list[str] = []
    limits: list[str] = []
    for name in sorted(obj.status.hard):
        told = f"{name}: {used.get(name, 0)}/{obj.status.hard[name]}"
        (limits if name.startswith("limits.") else requests).append(told)
    return obj.metadata.name, ", ".join(requests), ", ".join(limits), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ResourceQuota,
    prefix="resourcequotas",
    validate=validate,
    validate_update=validate_update,
    status=Status(validate=validate_status),
    deletion=Deletion(returns_object=True),
    row=row,
)
