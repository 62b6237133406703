"""Scalar types of generated Structs. Their constraints hold on decoding; what fails them takes the exact, slow way."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from msgspec import Meta

from pilothouse.api.quantity import ZERO, Quantity

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
UInt8 = Annotated[int, Meta(ge=0, le=255)]
IntOrString = Int32 | str
RawJSON = Any

# Timestamps are text in the one canonical form, so equality and order are those of str; "" is Go's zero time, which is
# never written. The pattern knows the days of the months (a leap day is let pass in any year).
_DAY = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
)
_SECOND = rf"\A[0-9]{{4}}-{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
Time = Annotated[str, Meta(pattern=rf"{_SECOND}Z\Z")]
MicroTime = Annotated[str, Meta(pattern=rf"{_SECOND}\.[0-9]{{6}}Z\Z")]
Duration = str


class _Options(TypedDict):
    frozen: bool
    kw_only: bool
    omit_defaults: bool
    forbid_unknown_fields: bool
    gc: bool
    weakref: bool


# gc=False: an object of the API is a tree, so the cycle collector need never look at it.
OPTIONS: _Options = {
    "frozen": True,
    "kw_only": True,
    "omit_defaults": True,
    "forbid_unknown_fields": True,
    "gc": False,
    "weakref": False,
}
# The root of a stored object: shared through weak references, which msgspec allows only to what the collector sees.
OBJECT_OPTIONS: _Options = {**OPTIONS, "gc": True, "weakref": True}


def null() -> Any:
    """The default of a field that Go writes as `null` when unset: made by a factory, hence never omitted."""
    return None


def zero_quantity() -> Quantity:
    return ZERO


def zero_duration() -> str:
    return "0s"
