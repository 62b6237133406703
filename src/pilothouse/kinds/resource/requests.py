"""What a claim asks for: requests of devices, constraints between them, configuration. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, invalid, not_supported, required
from pilothouse.api.types.resource.v1 import (
    DeviceClaim,
    DeviceClaimConfiguration,
    DeviceConstraint,
    DeviceRequest,
    DeviceSubRequest,
    DeviceToleration,
    ExactDeviceRequest,
)
from pilothouse.kinds.resource import rules
from pilothouse.semantics.validation.names import dns_subdomain

R = TypeVar("R", ExactDeviceRequest, DeviceSubRequest)
Names = Mapping[str, frozenset[str]]
"""The names of a claim's requests, and of the alternatives of each."""
_CONSTRAINTS, _ALTERNATIVES = 32, 8
_NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"


def _counted(request: R) -> R:
    changes: dict[str, Any] = {}
    mode = request.allocation_mode
    if not mode:
        mode = changes["allocation_mode"] = "ExactCount"
    if mode == "ExactCount" and not request.count:
        changes["count"] = 1
    if (tolerations := toleration_defaults(request.tolerations)) is not request.tolerations:
        changes["tolerations"] = tolerations
    return replace(request, **changes) if changes else request


def toleration_defaults(found: tuple[DeviceToleration, ...]) -> tuple[DeviceToleration, ...]:
    if all(toleration.operator for toleration in found):
        return found
    return tuple(t if t.operator else replace(t, operator="Equal") for t in found)


def defaults(claim: DeviceClaim) -> DeviceClaim:
    """One device, exactly, if a request says nothing of a number."""
    requests = tuple(map(_request_defaults, claim.requests or ()))
    return claim if requests == (claim.requests or ()) else replace(claim, requests=requests)


def _request_defaults(request: DeviceRequest) -> DeviceRequest:
    if request.exactly is not None:
        request = replace(request, exactly=_counted(request.exactly))
    if request.first_available:
        request = replace(request, first_available=tuple(map(_counted, request.first_available)))
    return request


def names_of(claim: DeviceClaim) -> Names:
    return {r.name: frozenset(sub.name for sub in r.first_available) for r in claim.requests or ()}


def validate(path: str, claim: DeviceClaim) -> FieldErrors:
    """A claim's `spec.devices`."""
    names = names_of(claim)
    found = rules.each_once(
        claim.requests or (), rules.REQUESTS, _request, f"{path}.requests", key=lambda request: request.name
    )

    def constraint(at: str, one: DeviceConstraint) -> FieldErrors:
        return references(f"{at}.requests", one.requests, names) + _attribute(at, one)

    def config(at: str, one: DeviceClaimConfiguration) -> FieldErrors:
        return references(f"{at}.requests", one.requests, names) + rules.configuration(at, one)

    found += rules.each(claim.constraints, _CONSTRAINTS, constraint, f"{path}.constraints")
    return found + rules.each(claim.config, rules.CONFIGS, config, f"{path}.config")


def references(path: str, requests: Sequence[str], names: Names) -> FieldErrors:
    """A list of names of requests, each once."""

    def check(at: str, name: str) -> FieldErrors:
        return reference(at, name, names)

    return rules.each_once(requests, rules.REQUESTS, check, path, key=rules.itself)


def reference(path: str, name: str, names: Names) -> FieldErrors:
    """`request` or `request/alternative` of the claim."""
    parts = name.split("/")
    if len(parts) > 2:
        return [invalid(path, name, _NO_REQUEST)]
    found = [error for part in parts for error in rules.short_name(path, part)]
    known = parts[0] in names and (len(parts) == 1 or parts[1] in names[parts[0]])
    return found if known else [*found, invalid(path, name, _NO_REQUEST)]


def _attribute(path: str, constraint: DeviceConstraint) -> FieldErrors:
    if constraint.match_attribute is not None:
        return rules.full_name(f"{path}.matchAttribute", constraint.match_attribute)
    if constraint.distinct_attribute is not None:
        return rules.full_name(f"{path}.distinctAttribute", constraint.distinct_attribute)
    detail = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    return [required(path, detail)]


def _request(path: str, request: DeviceRequest) -> FieldErrors:
    found = rules.short_name(f"{path}.name", request.name)
    if request.exactly is None and not request.first_available:
        return [*found, required(path, "exactly one of `exactly` or `firstAvailable` is required")]
    if request.exactly is not None and request.first_available:
        detail = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
        return [*found, invalid(path, None, detail)]
    if request.exactly is not None:
        return found + _wanted(f"{path}.exactly", request.exactly)
    return found + rules.each_once(
        request.first_available, _ALTERNATIVES, _alternative, f"{path}.firstAvailable", key=lambda sub: sub.name
    )


def _alternative(path: str, request: DeviceSubRequest) -> FieldErrors:
    return rules.short_name(f"{path}.name", request.name) + _wanted(path, request)


def _wanted(path: str, request: ExactDeviceRequest | DeviceSubRequest) -> FieldErrors:
    at, name = f"{path}.deviceClassName", request.device_class_name
    found = [invalid(at, name, fault) for fault in dns_subdomain(name, False)] if name else [required(at)]
    found += rules.selector_list(f"{path}.selectors", request.selectors)
    if request.allocation_mode == "All":
        if request.count:
            detail = "must not be specified when allocationMode is 'All'"
            found.append(invalid(f"{path}.count", request.count, detail))
    elif request.allocation_mode == "ExactCount":
        if request.count <= 0:
            found.append(invalid(f"{path}.count", request.count, "must be greater than zero"))
    else:
        found.append(not_supported(f"{path}.allocationMode", request.allocation_mode, ("All", "ExactCount")))
    return found + rules.tolerations(f"{path}.tolerations", request.tolerations)
