"""resource.Quantity: fixed-point numbers with a suffix, in canonical form. Pure."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal, localcontext

from pilothouse.kit.texts import remembered

_PATTERN = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)\Z")
_EXPONENT = re.compile(r"[+-]?[0-9]{1,18}\Z")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_SUFFIX = {power: suffix for suffix, power in _BINARY.items()}
_INT64 = 2**63 - 1
_LIMIT = Decimal(_INT64)
_LARGEST = Decimal(10) ** 45  # of numbers without a binary suffix, which Go does not limit
_NANO = Decimal(10) ** -9
# Enough digits for the largest quantity in billionths: the default of 28 makes `%` and `quantize` raise.
_EXACT = Context(prec=60, rounding=ROUND_CEILING)
_ONE = Decimal(1)
_DIGITS = 300


class QuantityError(ValueError):
    """Text that is no quantity; the message is the API's own."""


class Quantity:
    """An immutable quantity. `str()` is the canonical text, `value` the exact number, `suffix_kind` one of
    "decimal", "binary", "exponent" (the family of suffixes it is printed with). Equal when the numbers are."""

    __slots__ = ("suffix_kind", "text", "value")

    text: str
    value: Decimal
    suffix_kind: str

    def __init__(self, text: str, value: Decimal, suffix_kind: str) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "suffix_kind", suffix_kind)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Quantity is immutable: {name} cannot be set")

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Quantity({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: Quantity) -> bool:
        return self.value < other.value

    def __le__(self, other: Quantity) -> bool:
        return self.value <= other.value

    def __gt__(self, other: Quantity) -> bool:
        return self.value > other.value

    def __ge__(self, other: Quantity) -> bool:
        return self.value >= other.value

    def __add__(self, other: Quantity) -> Quantity:
        return make(self.value + other.value, self.suffix_kind if self.value else other.suffix_kind)

    def __sub__(self, other: Quantity) -> Quantity:
        return make(self.value - other.value, self.suffix_kind if self.value else other.suffix_kind)

    def __bool__(self) -> bool:
        return bool(self.value)

    def milli(self) -> int:
        """The number in thousandths, rounded up (cpu in millicores), an int64."""
        return _int64((self.value * 1000).to_integral_value(rounding=ROUND_CEILING))

    def is_multiple(self, unit: Decimal = _ONE) -> bool:
        """Whether it is some whole number of times `unit`, which is at least a billionth."""
        return not _EXACT.remainder(self.value, unit)

    def rounded_up(self, unit: Decimal) -> Quantity:
        """The next multiple of a power of ten, at least a billionth; the family of suffixes stays."""
        return make(_EXACT.quantize(self.value, unit), self.suffix_kind)

    def integer(self) -> int:
        """The number rounded up to a whole one (bytes), an int64."""
        return _int64(self.value.to_integral_value(rounding=ROUND_CEILING))


def _int64(number: Decimal) -> int:
    return max(-_INT64, min(_INT64, int(number)))


@remembered(16384)
def parse(text: str) -> Quantity:
    """Parse `text`; the result prints in canonical form. Raises QuantityError."""
    match = _PATTERN.match(text)
    if match is None or not text:
        raise QuantityError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    sign, digits, fraction, suffix = match.group(1), match.group(2), match.group(3) or "", match.group(4)
    with localcontext() as context:
        context.prec = 400
        context.Emax, context.Emin = 999999, -999999
        digits = digits.lstrip("0")
        # More digits than these are beyond any limit.
        number = Decimal(f"{sign}{digits[:_DIGITS] or 0}.{fraction[:_DIGITS] or 0}")
        if suffix in _BINARY:
            return make(number * Decimal(1024) ** _BINARY[suffix], "binary")
        if suffix in _DECIMAL:
            return make(number.scaleb(_DECIMAL[suffix]), "decimal")
        if suffix[0] not in "eE" or _EXPONENT.match(suffix, 1) is None:
            raise QuantityError("unable to parse quantity's suffix")
        return make(number.scaleb(max(-400, min(400, int(suffix[1:])))), "exponent")


def make(number: Decimal, suffix_kind: str = "decimal") -> Quantity:
    """The quantity of `number`: rounded up to nano, with a binary suffix capped at 2^63-1, printed with the largest
    fitting suffix."""
    with localcontext() as context:
        context.prec = 60
        largest = _LIMIT if suffix_kind == "binary" else _LARGEST
        if abs(number) > largest:
            number = largest.copy_sign(number)
        if number != number.quantize(_NANO, rounding=ROUND_CEILING):
            magnitude = abs(number).quantize(_NANO, rounding=ROUND_UP)
            number = magnitude.copy_sign(number)
        return Quantity(_canonical(number, suffix_kind), number, suffix_kind)


def _canonical(number: Decimal, suffix_kind: str) -> str:
    if number == 0:
        return "0"
    if suffix_kind == "binary" and abs(number) >= 1024 and number == number.to_integral_value():
        whole, power = int(number), 0
        while whole % 1024 == 0 and power < 6:
            whole, power = whole // 1024, power + 1
        return f"{whole}{_BINARY_SUFFIX.get(power, '')}"
    exponent = -9
    mantissa = number.scaleb(9)
    while exponent < 18 and mantissa % 1000 == 0:
        mantissa, exponent = mantissa / 1000, exponent + 3
    if suffix_kind == "exponent":
        return f"{int(mantissa)}e{exponent}" if exponent else f"{int(mantissa)}"
    return f"{int(mantissa)}{_DECIMAL_SUFFIX[exponent]}"


ZERO = Quantity("0", Decimal(0), "decimal")
