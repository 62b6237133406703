"""Domain names on the wire: labels of at most 63 bytes, 255 in all, with pointers backwards."""

from __future__ import annotations

import functools

MAX_NAME = 255
MAX_LABEL = 63


class MalformedMessage(ValueError):
    """Bytes that are no DNS message; says what is wrong."""


@functools.lru_cache(maxsize=8192)
def encode_name(name: str) -> bytes:
    """The wire form of a dotted name, its case kept; a trailing dot may be missing. Raises MalformedMessage."""
    parts = []
    for label in name.rstrip(".").split(".") if name.rstrip(".") else ():
        try:
            raw = label.encode("ascii")
        except UnicodeEncodeError:
            raise MalformedMessage("a label is not ASCII") from None
        if not 0 < len(raw) <= MAX_LABEL:
            raise MalformedMessage("a label is empty or too long")
        parts.append(bytes((len(raw),)) + raw)
    wire = b"".join(parts) + b"\0"
    if len(wire) > MAX_NAME:
        raise MalformedMessage("a name is too long")
    return wire


def decode_name(data: bytes, start: int) -> tuple[str, int]:
    """The name at `start`, in lower case without the trailing dot, and where it ends. Bytes that are not ASCII come out
    as their Latin-1 characters: they match nothing. Raises MalformedMessage."""
    labels: list[str] = []
    at, end, total, lowest = start, -1, 0, start
    while True:
        if at >= len(data):
            raise MalformedMessage("a name runs past the end")
        length = data[at]
        if length == 0:
            return ".".join(labels), end if end >= 0 else at + 1
        if length >= 0xC0:
            if at + 1 >= len(data):
                raise MalformedMessage("a pointer runs past the end")
            target = (length & 0x3F) << 8 | data[at + 1]
            if target >= lowest:
                raise MalformedMessage("a pointer does not point back")
            end = at + 2 if end < 0 else end
            at = lowest = target
            continue
        if length > MAX_LABEL:
            raise MalformedMessage("a label of unknown type")
        total += length + 1
        if total >= MAX_NAME or at + 1 + length > len(data):
            raise MalformedMessage("a name is too long")
        labels.append(data[at + 1 : at + 1 + length].decode("latin-1").lower().replace(".", "\\."))
        at += length + 1


def skip_name(data: bytes, start: int) -> int:
    """Where the name at `start` ends, without reading it. Raises MalformedMessage."""
    at = start
    while at < len(data):
        length = data[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2
        at += length + 1
    raise MalformedMessage("a name runs past the end")
