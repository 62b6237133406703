"""LimitRange: bounds and defaults that must not contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, required
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import LimitRange, LimitRangeItem
from pilothouse.kinds.core.podspec.resources import container_resource_name, may_overcommit, resource_name
from pilothouse.kinds.strategy import MetaUpdate, Strategy
from pilothouse.semantics.validation.names import qualified_name

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
Amounts = Mapping[str, Quantity]


def defaults(obj: LimitRange) -> LimitRange:
    """What is left out of a container's entry follows from the rest: the default limit from the maximum, the default
    request from the default limit or else from the minimum."""
    items = tuple(_completed(item) if item.type == "Container" else item for item in obj.spec.limits or ())
    return obj if items == (obj.spec.limits or ()) else replace(obj, spec=replace(obj.spec, limits=items))


def _completed(item: LimitRangeItem) -> LimitRangeItem:
    default = {**item.max, **item.default}
    request = {**item.min, **default, **item.default_request}
    return replace(item, default=default, default_request=request)


def validate(obj: LimitRange) -> FieldErrors:
    found: FieldErrors = []
    seen: set[str] = set()
    for index, item in enumerate(obj.spec.limits or ()):
        path = f"spec.limits[{index}]"
        found += _type(item.type, f"{path}.type")
        if item.type in seen:
            found.append(duplicate(f"{path}.type", item.type))
        seen.add(item.type)
        found += _names(item, path)
        for name in sorted({*item.max, *item.min, *item.default, *item.default_request, *item.max_limit_request_ratio}):
            found += _order(item, name, path)
    return found


def _type(value: str, path: str) -> FieldErrors:
    faults = [invalid(path, value, fault) for fault in qualified_name(value)]
    if not faults and "/" not in value and value not in _TYPES:
        return [invalid(path, value, "must be a standard limit type or fully qualified")]
    return faults


def _names(item: LimitRangeItem, path: str) -> FieldErrors:
    found = _amount_names(item, item.max, f"{path}.max") + _amount_names(item, item.min, f"{path}.min")
    if item.type == "Pod":
        for name, amounts in (("default", item.default), ("defaultRequest", item.default_request)):
            if amounts:
                found.append(forbidden(f"{path}.{name}", "may not be specified when `type` is 'Pod'"))
    else:
        found += _amount_names(item, item.default, f"{path}.default")
        found += _amount_names(item, item.default_request, f"{path}.defaultRequest")
    if item.type == "PersistentVolumeClaim" and "storage" not in {*item.min, *item.max}:
        text = "either minimum or maximum storage value is required, but neither was provided"
        found.append(required(f"{path}.limits", text))
    return found + _amount_names(item, item.max_limit_request_ratio, f"{path}.maxLimitRequestRatio")


def _amount_names(item: LimitRangeItem, amounts: Amounts, path: str) -> FieldErrors:
    rule = container_resource_name if item.type in ("Pod", "Container") else resource_name
    return [error for name in amounts for error in rule(f"{path}[{name}]", name)]


def _order(item: LimitRangeItem, name: str, path: str) -> FieldErrors:
    """Minimum, default request, default limit, maximum: each at most the next."""
    low, high = item.min.get(name), item.max.get(name)
    request = item.default_request.get(name) if item.type != "Pod" else None
    limit = item.default.get(name) if item.type != "Pod" else None
    # What must not be greater than what, where that is told, and with which value.
    rules = (
        (low, high, "min", low, "min value {} is greater than max value {}"),
        (low, request, "defaultRequest", request, "min value {} is greater than default request value {}"),
        (request, high, "defaultRequest", request, "default request value {} is greater than max value {}"),
        (request, limit, "defaultRequest", request, "default request value {} is greater than default limit value {}"),
        (low, limit, "default", low, "min value {} is greater than default value {}"),
        (limit, high, "default", high, "default value {} is greater than max value {}"),
    )
    found = [
        invalid(f"{path}.{where}[{name}]", str(shown), text.format(lower, upper))
        for lower, upper, where, shown, text in rules
        if lower is not None and upper is not None and lower > upper
    ]
    found += _ratio(item, name, path, low, high)
    if request is not None and limit is not None and request != limit and not may_overcommit(name):
        text = f"default value {limit} must equal to defaultRequest value {request} in {name}"
        found.append(invalid(f"{path}.defaultRequest[{name}]", str(request), text))
    return found


def _ratio(item: LimitRangeItem, name: str, path: str, low: Quantity | None, high: Quantity | None) -> FieldErrors:
    ratio = item.max_limit_request_ratio.get(name)
    if ratio is None:
        return []
    at, found = f"{path}.maxLimitRequestRatio[{name}]", []
    if ratio.value < 1:
        found.append(invalid(at, str(ratio), f"ratio {ratio} is less than 1"))
    if low and high is not None and ratio.value > high.value / (low.value or Decimal(1)):
        found.append(
            invalid(at, str(ratio), f"ratio {ratio} is greater than max/min = {float(high.value / low.value):f}")
        )
    return found


STRATEGY = Strategy(
    type=LimitRange,
    prefix="limitranges",
    allow_create_on_update=True,
    defaults=defaults,
    meta_update=MetaUpdate(whole=1, change=0),
    validate=validate,
)
