"""Whole numbers in text that clients write, as Go's strconv reads them in base 10. Pure.

`int` alone is not for such text: it takes digits of every script, and raises for more than 4,300 of them.
"""

from __future__ import annotations

import re

_INTEGER = re.compile(r"([+-]?)0*([0-9]*)\Z")
_LONGEST = 20
BEYOND = 10**_LONGEST
"""Stands for every number that is larger than those of 64 bits, signed or not."""


def integer(text: str) -> int | None:
    """The number that an optional sign and ASCII digits tell, `BEYOND` (or its negative) for one that no 64 bits hold;
    None for any other text."""
    found = _INTEGER.match(text)
    if found is None or text in ("", "+", "-"):
        return None
    sign, digits = found.groups()
    size: int = int(digits or "0") if len(digits) <= _LONGEST else BEYOND
    return -size if sign == "-" else size


def port(text: str) -> int | None:
    """The number of a port (1 to 65535); None for any other text."""
    number = integer(text) if text[:1] not in ("+", "-") else None
    return number if number is not None and 0 < number < 65536 else None
