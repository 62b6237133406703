"""The devices that a driver publishes in a ResourceSlice. Pure."""

from __future__ import annotations

import re

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, required, too_long
from pilothouse.api.types.resource.v1 import (
    Counter,
    CounterSet,
    Device,
    DeviceAttribute,
    DeviceCapacity,
    DeviceCounterConsumption,
)
from pilothouse.kinds.core.podspec.placement import node_selector
from pilothouse.kinds.resource import capacity, rules
from pilothouse.semantics.validation.names import dns_subdomain

_VALUE, _VALUES, _TAINTS, _COUNTERS, _CONSUMPTIONS, _NAMES = 64, 32, 16, 32, 2, 63
_NUMBER = r"(0|[1-9]\d*)"
_PRERELEASE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRERELEASE}(\.{_PRERELEASE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?\Z",
    re.ASCII,
)
_PLACES = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
_NO_PLACES = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)
_LISTS = ("ints", "bools", "strings", "versions")


def node_name(path: str, name: str) -> FieldErrors:
    return [invalid(path, name, fault) for fault in dns_subdomain(name, False)]


def counter_set(path: str, found: CounterSet) -> FieldErrors:
    """Counters that the devices of a pool share."""
    return _counters(path, "name", found.name, found)


def _counters(path: str, key: str, name: str, found: CounterSet | DeviceCounterConsumption) -> FieldErrors:
    errors = rules.short_name(f"{path}.{key}", name) if name else [required(f"{path}.{key}")]
    at = f"{path}.counters"
    if not found.counters:
        return [*errors, required(at)]
    return errors + rules.each_key(found.counters, _COUNTERS, rules.short_name, _any_counter, at, widest=_NAMES)


def _any_counter(path: str, counter: Counter) -> FieldErrors:
    return []


def _consumption(path: str, found: DeviceCounterConsumption) -> FieldErrors:
    return _counters(path, "counterSet", found.counter_set, found)


def validate(path: str, device: Device, old: Device | None, *, own_places: bool) -> FieldErrors:
    """A device; `old` is that of the same name before, whose capacity and taints are not checked again. `own_places`:
    each device of the slice says itself which nodes reach it."""
    found = rules.short_name(f"{path}.name", device.name)
    count = len(device.attributes) + len(device.capacity)
    if count > _VALUES:
        found.append(invalid(path, count, f"the total number of attributes and capacities must not exceed {_VALUES}"))
    found += rules.each_key(device.attributes, -1, rules.qualified_name, _attribute, f"{path}.attributes")
    if old is None or old.capacity != device.capacity:
        check = capacity.shared if device.allow_multiple_allocations else _exclusive
        found += rules.each_key(device.capacity, -1, rules.qualified_name, check, f"{path}.capacity")
    if old is None or old.taints != device.taints:
        found += rules.each(device.taints, _TAINTS, rules.taint, f"{path}.taints")
    found += rules.each_once(
        device.consumes_counters,
        _CONSUMPTIONS,
        _consumption,
        f"{path}.consumesCounters",
        key=lambda consumption: consumption.counter_set,
    )
    if own_places:
        found += _places(path, device)
    elif device.node_name is not None or device.node_selector is not None or device.all_nodes is not None:
        found.append(invalid(path, None, _NO_PLACES))
    return found + rules.binding_conditions(path, device.binding_conditions, device.binding_failure_conditions)


def _exclusive(path: str, found: DeviceCapacity) -> FieldErrors:
    if found.request_policy is None:
        return []
    return [forbidden(f"{path}.requestPolicy", "allowMultipleAllocations must be true")]


def _places(path: str, device: Device) -> FieldErrors:
    found: FieldErrors = []
    given: list[str] = []
    if device.node_name:
        given.append("`nodeName`")
        found += node_name(f"{path}.nodeName", device.node_name)
    elif device.node_name is not None:
        found.append(invalid(f"{path}.nodeName", device.node_name, "must not be empty"))
    if device.node_selector is not None:
        given.append("`nodeSelector`")
        found += node_selector(f"{path}.nodeSelector", device.node_selector)
    if device.all_nodes:
        given.append("`allNodes`")
    elif device.all_nodes is not None:
        found.append(invalid(f"{path}.allNodes", device.all_nodes, "must be either unset or set to true"))
    if not given:
        found.append(required(path, _PLACES))
    elif len(given) > 1:
        found.append(invalid(path, "{" + ", ".join(given) + "}", _PLACES))
    return found


def _attribute(path: str, attribute: DeviceAttribute) -> FieldErrors:
    found: FieldErrors = []
    if attribute.string is not None:
        found += _string(f"{path}.string", attribute.string)
    if attribute.version is not None:
        found += _version(f"{path}.version", attribute.version)
    for index, text in enumerate(attribute.strings):
        found += _string(f"{path}.strings[{index}]", text)
    for index, text in enumerate(attribute.versions):
        found += _version(f"{path}.versions[{index}]", text)
    singles = (attribute.int_, attribute.bool_, attribute.string, attribute.version)
    count = sum(one is not None for one in singles) + sum(bool(getattr(attribute, name)) for name in _LISTS)
    if count != 1:
        found.append(invalid(path, attribute if count else "", "exactly one value must be specified"))
    return found


def _string(path: str, text: str) -> FieldErrors:
    return [too_long(path, _VALUE)] if len(text.encode()) > _VALUE else []


def _version(path: str, text: str) -> FieldErrors:
    good = _VERSION.match(text)
    found = [] if good else [invalid(path, text, "must be a string compatible with semver.org spec 2.0.0")]
    return found + _string(path, text)
