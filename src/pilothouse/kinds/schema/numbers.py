"""What schemas say of numbers: range of the format, multipleOf, minimum and maximum. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.kinds.schema import faults
from pilothouse.kinds.schema.faults import PATH, Fault, Faults

_MOST_EXACT = float(2**53 - 1)
_MOST_FLOAT32 = 3.4028234663852886e38
_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "uint64": (0, 2**64 - 1)}
_INT64 = (-(2**63), 2**63 - 1)
_FLOATS = ("float", "float32")


def is_integer(value: float) -> bool:
    """Whether a float stands for an integer, as JSON has them."""
    return -_MOST_EXACT <= value <= _MOST_EXACT and value == int(value)


def sized(value: Any) -> Any:
    """A tree whose integers fit into 64 bits: others are floats to Go."""
    if isinstance(value, dict):
        return {key: sized(member) for key, member in value.items()}
    if isinstance(value, list):
        return [sized(item) for item in value]
    if isinstance(value, int) and not _INT64[0] <= value <= _INT64[1]:
        return float(value)
    return value


def go_number(value: float) -> str:
    """A number as `%v` prints it."""
    if isinstance(value, int):
        return str(value)
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    mantissa, e, exponent = repr(value).partition("e")
    if not e:
        return mantissa
    digits = exponent.lstrip("+-")
    return f"{mantissa}e{'-' if exponent.startswith('-') else '+'}{digits.zfill(2)}"


def number_step(raw: Mapping[str, Any], types: tuple[str, ...], kind: type) -> Callable[[Any], Faults] | None:
    """The check of numbers of one Python type; None if there is nothing to check."""
    fits = kind is int and raw.get("format", "") in ("", "int64")  # an integer is of 64 bits when it gets here
    parts = [None if fits else _range(raw, types), _multiple(raw), _maximum(raw), _minimum(raw)]
    steps = [part for part in parts if part is not None]
    if not steps:
        return None

    def step(value: float) -> Faults:
        return [fault for part in steps if (fault := part(value)) is not None]

    return step


Part = Callable[[float], Fault | None]


def _range(raw: Mapping[str, Any], types: tuple[str, ...]) -> Part | None:
    format = raw.get("format", "")
    kind = types[0] if len(types) == 1 else ""
    said = f"with format {format}" if format else "(default format)"
    fault = faults.unplaced(f"Checked value must be of type {kind} {said} in {PATH}")
    if kind == "integer":
        low, high = _INTEGERS.get(format, _INT64)
        return lambda value: None if value == int(value) and low <= value <= high and abs(value) < 1e300 else fault
    if kind == "number" and format in _FLOATS:
        return lambda value: None if abs(value) <= _MOST_FLOAT32 else fault
    return None


def _multiple(raw: Mapping[str, Any]) -> Part | None:
    factor = raw.get("multipleOf")
    if factor is None:
        return None
    whole = int(factor)
    told = faults.invalid(None, f"should be a multiple of {go_number(factor)}")

    def part(value: float) -> Fault | None:
        used = whole if isinstance(value, int) else factor
        if used <= 0:
            text = f"factor MultipleOf declared for {PATH} must be positive: {go_number(used)}"
            return Fault("FieldValueInvalid", used, text)
        if isinstance(value, int):
            return None if value % whole == 0 else told._replace(value=value)
        quotient = 1 / factor * value if factor < 1 else value / factor
        return None if is_integer(quotient) else told._replace(value=value)

    return part


def _maximum(raw: Mapping[str, Any]) -> Part | None:
    limit, exclusive = raw.get("maximum"), raw.get("exclusiveMaximum", False)
    if limit is None:
        return None

    def part(value: float) -> Fault | None:
        most = int(limit) if isinstance(value, int) else limit
        if value < most or (value == most and not exclusive):
            return None
        return faults.invalid(value, f"should be less than {'' if exclusive else 'or equal to '}{go_number(most)}")

    return part


def _minimum(raw: Mapping[str, Any]) -> Part | None:
    limit, exclusive = raw.get("minimum"), raw.get("exclusiveMinimum", False)
    if limit is None:
        return None

    def part(value: float) -> Fault | None:
        least = int(limit) if isinstance(value, int) else limit
        if value > least or (value == least and not exclusive):
            return None
        return faults.invalid(value, f"should be greater than {'' if exclusive else 'or equal to '}{go_number(least)}")

    return part
