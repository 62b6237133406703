"""How deep documents may be nested: one limit for bodies, patches and objects. Pure.

Whoever walks an object takes some frames of the interpreter's stack for each of its levels. What is let in must be
walkable by everybody, wherever their own stack stands just then: `kit.stack` gives the room for it, so that within
the limit nobody meets its end. Beyond it a client hears what Go's decoder says beyond 10,000.
"""

from __future__ import annotations

import itertools
import re

DEEPEST = 500
"""Levels that a document may have; schemas of 20 properties within properties have 60."""
TOLD = "exceeded max depth"
# Strings (the last may lack its end: it must not be looked at from each of its quotes), and runs of what is neither a
# string nor a bracket.
_OTHER = re.compile(rb'"[^"\\]*(?:\\.?[^"\\]*)*(?:"|\Z)|[^"\[\]{}]+', re.DOTALL)
_STEP = {ord(bracket): 1 if bracket in "{[" else -1 for bracket in "{[]}"}


def too_deep(data: bytes) -> bool:
    """Whether JSON is nested deeper than `DEEPEST`; costs next to nothing where it has few brackets."""
    if data.count(b"{") + data.count(b"[") <= DEEPEST:
        return False
    steps = map(_STEP.__getitem__, _OTHER.sub(b"", data))
    return max(itertools.accumulate(steps), default=0) > DEEPEST
