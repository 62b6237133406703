"""How the capacity of a device that several claims share may be asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, required
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.resource.v1 import CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity
from pilothouse.kinds.resource import rules

_OPTIONS = 10
_ONE_POLICY = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'


def shared(path: str, found: DeviceCapacity) -> FieldErrors:
    """A capacity, with the policy of requests for parts of it."""
    if found.request_policy is None:
        return []
    return _policy(f"{path}.requestPolicy", found.request_policy, found.value)


def _policy(path: str, policy: CapacityRequestPolicy, whole: Quantity) -> FieldErrors:
    if policy.valid_values and policy.valid_range is not None:
        return [forbidden(path, _ONE_POLICY)]
    if policy.valid_values:
        if policy.default is None:
            return [required(f"{path}.default", "required when validValues is defined")]
        return _values(f"{path}.validValues", policy.valid_values, policy.default, whole)
    if policy.valid_range is not None:
        if policy.default is None:
            return [required(f"{path}.default", "required when validRange is defined")]
        return _range(f"{path}.validRange", policy.valid_range, policy.default, whole)
    return []


def _values(path: str, values: Sequence[Quantity], default: Quantity, whole: Quantity) -> FieldErrors:
    found: FieldErrors = []
    for index in range(1, len(values)):
        if values[index - 1] > values[index]:
            found.append(invalid(f"{path}[{index}]", str(values[index]), "values must be sorted in ascending order"))

    def fits(at: str, value: Quantity) -> FieldErrors:
        if value <= whole:
            return []
        return [invalid(at, str(value), f"option is larger than capacity value: {whole}")]

    found += rules.each_once(
        values, _OPTIONS, fits, path, key=lambda value: value.integer(), shown=lambda value: str(value.integer())
    )
    if len(values) > _OPTIONS or default not in values:
        found.append(invalid(path, str(default), "default value is not valid according to the requestPolicy"))
    return found


def _range(path: str, limits: CapacityRequestPolicyRange, default: Quantity, whole: Quantity) -> FieldErrors:
    least, most = limits.min, limits.max
    if least is None:
        return [required(f"{path}.min", "required when validRange is defined")]
    found: FieldErrors = []
    if least > whole:
        found.append(invalid(f"{path}.min", str(least), f"min is larger than capacity value: {whole}"))
    if default < least:
        found.append(invalid(f"{path}.min", str(default), f"default is less than min: {least}"))
    if most is not None:
        if least > most:
            found.append(invalid(f"{path}.max", str(least), f"min is larger than max: {most}"))
        if most > whole:
            found.append(invalid(f"{path}.max", str(most), f"max is larger than capacity value: {whole}"))
        if default > most:
            found.append(invalid(f"{path}.max", str(default), f"default is more than max: {most}"))
    return found + (_steps(f"{path}.step", limits, limits.step, default, whole) if limits.step is not None else [])


def _steps(
    path: str, limits: CapacityRequestPolicyRange, step: Quantity, default: Quantity, whole: Quantity
) -> FieldErrors:
    least = limits.min
    if least is None or not step:
        return []
    found: FieldErrors = []
    first = least + step
    if first > whole:
        found.append(invalid(path, str(step), f"one step {first} is larger than capacity value: {whole}"))
    for value in (default, limits.max):
        if value is not None and (value.integer() - least.integer()) % step.integer():
            found.append(invalid(path, str(value), f"value is not a multiple of a given step ({step}) from ({least})"))
    return found
