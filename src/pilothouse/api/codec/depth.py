"""How deep JSON is nested. Pure.

Decoding takes a level of the interpreter's stack for each level of a document, wherever that stack stands just then:
what is kept must leave enough of it to be read by everybody.
"""

from __future__ import annotations

import itertools
import re

DEEPEST = 500
"""Levels that an object may have; schemas of 20 properties within properties have 60."""
# Strings, and runs of what is neither a string nor a bracket.
_OTHER = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[^"\[\]{}]+', re.DOTALL)


def too_deep(data: bytes) -> bool:
    """Whether well-formed JSON is nested deeper than `DEEPEST`; costs next to nothing where it has few brackets."""
    if data.count(b"{") + data.count(b"[") <= DEEPEST:
        return False
    steps = (1 if bracket in b"{[" else -1 for bracket in _OTHER.sub(b"", data))
    return max(itertools.accumulate(steps), default=0) > DEEPEST
