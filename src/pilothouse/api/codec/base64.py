"""Standard base64 as Go decodes it: line breaks are skipped, a fault names its offset. Pure."""

from __future__ import annotations

import base64
import binascii
import string

_ALPHABET = frozenset((string.ascii_letters + string.digits + "+/").encode())
_BREAKS = b"\r\n"


class Base64Error(ValueError):
    """Go's text for the first byte that is wrong."""


def decode(text: str) -> bytes:
    """The bytes of `text`. Raises Base64Error."""
    data = text.encode("utf-8", "surrogatepass")
    offset = _fault(data)
    if offset is not None:
        raise Base64Error(f"illegal base64 data at input byte {offset}")
    try:
        return base64.b64decode(data.translate(None, _BREAKS))
    except binascii.Error:
        raise Base64Error(f"illegal base64 data at input byte {len(data)}") from None


def _fault(data: bytes) -> int | None:
    clean = data.translate(None, _BREAKS)
    body = clean.rstrip(b"=")
    padding = len(clean) - len(body)
    good = _ALPHABET.issuperset(body) and len(clean) % 4 == 0 and padding <= 2
    return None if good else _walk(data)


def _walk(data: bytes) -> int | None:
    at, held = 0, 0
    while at < len(data):
        char = data[at]
        at += 1
        if char in _BREAKS:
            continue
        if char in _ALPHABET:
            held = (held + 1) % 4
            continue
        if char != ord("=") or held < 2:
            return at - 1
        if held == 2:
            at = _skip(data, at)
            if at == len(data):
                return at
            if data[at] != ord("="):
                return at - 1
            at += 1
        at = _skip(data, at)
        return at if at < len(data) else None
    return at - held if held else None


def _skip(data: bytes, at: int) -> int:
    while at < len(data) and data[at] in _BREAKS:
        at += 1
    return at
