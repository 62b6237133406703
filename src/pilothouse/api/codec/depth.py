"""How deep documents may be nested: one limit for bodies, patches and objects. Pure.

Whoever walks an object takes some frames of the interpreter's stack for each of its levels. What is let in must be
walkable by everybody, wherever their own stack stands just then: `kit.stack` gives the room for it, so that within
the limit nobody meets its end. Beyond it a client hears what Go's decoder says beyond 10,000.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

DEEPEST = 500
"""Levels that a document may have; schemas of 20 properties within properties have 60."""
TOLD = "exceeded max depth"
# Bytes that are looked at in one call of C code, which no other thread interrupts.
_PIECE = 64 * 1024
_STEP = {ord(bracket): 1 if bracket in "{[" else -1 for bracket in "{[]}"}
_OTHER = bytes(set(range(256)) - set(_STEP))


def too_deep(data: bytes) -> bool:
    """Whether JSON is nested deeper than `DEEPEST`; costs next to nothing where it has few brackets."""
    if data.count(b"{") + data.count(b"[") <= DEEPEST:
        return False
    depth = 0
    for brackets in _brackets(data):
        steps = list(itertools.accumulate(map(_STEP.__getitem__, brackets), initial=depth))
        if max(steps) > DEEPEST:
            return True
        depth = steps[-1]
    return False


def _brackets(data: bytes) -> Iterator[bytes]:
    """The brackets outside of strings, piece by piece."""
    at, within = 0, 0
    while at < len(data):
        piece = data[at : at + _PIECE]
        slashes = len(piece) - len(piece.rstrip(b"\\"))
        if slashes % 2 and at + _PIECE < len(data):  # an escape is not cut in two
            piece = piece[:-1]
        at += len(piece)
        if slashes or b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = piece.split(b'"')
        yield b"".join(parts[within::2]).translate(None, _OTHER)
        within = (within + len(parts) - 1) % 2
