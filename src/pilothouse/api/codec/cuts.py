"""Large JSON documents, cut at commas into small documents that decode to their parts. Pure.

A decoder of C code lets no other thread run while it works on a document. A part is the text between two commas, within
the brackets that are open there: `{"a":[1,2],"b":3}` may be cut into `{"a":[1]}`, `{"…":[2]}` and `{"b":3}`, where `…`
stands for the member that is gone on with. What is no JSON as a whole has a part that is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

PIECE = 64 * 1024
"""Bytes that one call of C code looks at."""
WHOLE = 4 * PIECE
"""Documents that are not longer are decoded at once, in two milliseconds."""
_CONTINUED = "\x7f\x7f continued \x7f\x7f"
_LIST, _OBJECT = ord("["), ord("{")
_CLOSING = {ord("}"): _OBJECT, ord("]"): _LIST}
_CLOSER = {_OBJECT: b"}", _LIST: b"]"}
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_SPACE = b" \t\r\n"
_NOTHING = re.compile(rb"[ \t\r\n]*+(?:[\]},]|\Z)")


class Uncut(ValueError):
    """No JSON, from the part on that begins with `start`, where `opened` is open."""

    def __init__(self, start: int, opened: bytes) -> None:
        super().__init__("no JSON")
        self.start, self.opened = start, opened


class Part(NamedTuple):
    """`text` is a document by itself; it begins at `start` of the whole, where the brackets `opened` are open."""

    start: int
    opened: bytes
    text: bytes


def parts(data: bytes) -> Iterator[Part]:
    """The parts of a document, of about PIECE bytes each; longer only where it has no commas. Raises Uncut where
    brackets and commas are no JSON's."""
    start, opened = 0, b""
    while True:
        end, open_there = _next_cut(data, start, opened)
        piece = data[start:end]
        if end < len(data) and piece.rstrip(_SPACE).endswith((b"[", b"{")):
            raise Uncut(start, opened)
        yield Part(start, opened, opening(opened) + piece + b"".join(_CLOSER[b] for b in reversed(open_there)))
        if end == len(data):
            return
        start, opened = end + 1, open_there


def opening(opened: bytes) -> bytes:
    """The beginning of a part, up to the place where it goes on."""
    if not opened:
        return b""
    member = b'{"%b":' % _CONTINUED.encode()
    return b"".join(b"[" if b == _LIST else member for b in opened[:-1]) + opened[-1:]


def _next_cut(data: bytes, start: int, opened: bytes) -> tuple[int, bytes]:
    """Where the part that begins at `start` ends: at a comma, or at the end of all; and the brackets open there."""
    at, within = start, 0
    stack = bytearray(opened)
    while at < len(data):
        window = data[at : at + PIECE]
        slashes = len(window) - len(window.rstrip(b"\\"))
        if slashes % 2 and at + PIECE < len(data):  # an escape is not cut in two
            window = window[:-1]
        if slashes or b"\\" in window:
            window = window.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        pieces = window.split(b'"')
        if at + len(window) < len(data):
            comma = _last_comma(pieces, within, len(window))
            if comma >= 0:
                _follow(stack, window[:comma].split(b'"')[within::2], start, opened)
                if not stack or _NOTHING.match(data, at + comma + 1):
                    raise Uncut(start, opened)
                return at + comma, bytes(stack)
        _follow(stack, pieces[within::2], start, opened)
        within = (within + len(pieces) - 1) % 2
        at += len(window)
    return len(data), b""


def _last_comma(pieces: list[bytes], within: int, length: int) -> int:
    """Where the last comma outside of strings is, -1 without one."""
    end = length
    for index in range(len(pieces) - 1, -1, -1):
        begin = end - len(pieces[index])
        if index % 2 == within and (found := pieces[index].rfind(b",")) >= 0:
            return begin + found
        end = begin - 1
    return -1


def _follow(stack: bytearray, outside: list[bytes], start: int, opened: bytes) -> None:
    """Open and close what the text outside of strings does."""
    brackets = b"".join(outside).translate(None, _NOT_BRACKETS)
    for bracket in brackets.replace(b"[]", b"").replace(b"{}", b""):
        before = _CLOSING.get(bracket)
        if before is None:
            stack.append(bracket)
        elif not stack or stack.pop() != before:
            raise Uncut(start, opened)


def decode(data: bytes, decoder: Callable[[bytes], Any]) -> Any:
    """The tree of a document, which `decoder` makes of it or of its parts. Of several members of one name one is kept:
    the last, if the document is short. Raises what `decoder` raises for documents that are none."""
    if len(data) <= WHOLE or _CONTINUED.encode() in data:
        return decoder(data)
    whole: Any = None
    try:
        for part in parts(data):
            tree = decoder(part.text)
            if part.opened:
                _join(whole, tree, part)
            else:
                whole = tree
    except Uncut:
        return decoder(data)
    return whole


def broken(data: bytes, decoder: Callable[[bytes], Any]) -> bytes | None:
    """The document from the first part on that is none, as that part begins; None if `decoder` takes all parts."""
    start, opened = 0, b""
    try:
        for part in parts(data):
            start, opened = part.start, part.opened
            decoder(part.text)
    except Uncut as at:
        start, opened = at.start, at.opened
    except msgspec.DecodeError:
        pass
    else:
        return None
    return opening(opened) + data[start:]


def _join(whole: Any, tree: Any, part: Part) -> None:
    """Add a part to what comes before it. Raises Uncut where members of one name lead astray."""
    for bracket in part.opened[:-1]:
        listed = bracket == _LIST
        _check_alike(whole, tree, part, listed)
        before, more = whole, tree
        if listed:
            whole, tree = before[-1], more[0]
            before += more[1:]
        else:
            whole, tree = before[next(reversed(before))], more.pop(_CONTINUED)
            before |= more
    _check_alike(whole, tree, part, part.opened[-1] == _LIST)
    if isinstance(whole, list):
        whole += tree
    else:
        whole |= tree


def _check_alike(whole: Any, tree: Any, part: Part, listed: bool) -> None:
    kind = list if listed else dict
    if type(whole) is not kind or type(tree) is not kind or not whole:
        raise Uncut(part.start, part.opened)
