"""Regular expressions of clients: RE2, with the errors of Go's regexp. Pure."""

from __future__ import annotations

import functools
import re

import re2

_TEXTS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "pattern too large - compile failed": "expression too large",
}


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


_TOO_LARGE = "pattern too large - compile failed"
# Instructions of all Unicode classes in a pattern, as each is compiled alone. RE2 refuses such programs at its 8 MiB,
# but only when it has parsed all of the pattern: 0.1 ms for each class, in one call that lets no other thread in.
_MOST = 1_000_000
_CLASS = re.compile(r"\\(?:([pP](?:\{[^{}]{1,64}\}|[A-Za-z]))|.)", re.DOTALL)
REFUSED = 100_000
"""Instructions that could be compiled in the time that it takes to refuse a pattern as too large (30 ms)."""
# How many programs are kept for patterns that come again, and of what size: strangers choose them.
_KEPT, _LONG, _SMALL = 512, 256, 4096
_kept: dict[str, re2._Regexp] = {}


def compiled(pattern: str) -> re2._Regexp:
    """Raises re2.error. Only small programs are kept here; RE2's own module keeps all, of up to 8 MiB each."""
    known = _kept.get(pattern)
    if known is not None:
        return known
    if _too_large(pattern):
        raise re2.error(_TOO_LARGE)
    made = re2._Regexp(pattern, _options())
    if len(pattern) <= _LONG and made.programsize <= _SMALL:
        if len(_kept) >= _KEPT:
            _kept.clear()
        _kept[pattern] = made
    return made


def size(pattern: str) -> int:
    """What it costs to compile a pattern, as instructions of its program: none for one that is wrong, REFUSED for one
    that is too large, as it takes a while to find that out."""
    try:
        instructions: int = compiled(pattern).programsize
    except re2.error as error:
        return REFUSED if _text(error).startswith(_TOO_LARGE) else 0
    return instructions


def too_large(pattern: str) -> str:
    """What Go says of a pattern that is too large."""
    return f"error parsing regexp: {_TEXTS[_TOO_LARGE]}: `{pattern}`"


def _too_large(pattern: str) -> bool:
    size = 0
    for escape in _CLASS.finditer(pattern):
        if escape[1] is not None:
            size += _class_size(escape[1])
            if size > _MOST:
                return True
    return False


@functools.lru_cache(maxsize=1024)
def _class_size(name: str) -> int:
    """Instructions of a Unicode class; 0 if there is none of that name, where RE2 goes no further."""
    try:
        size: int = re2._Regexp("\\" + name, _options()).programsize
    except re2.error:
        return 0
    return size


def go_error(pattern: str) -> str:
    """What Go says of a pattern that does not compile; empty for one that does."""
    try:
        compiled(pattern)
    except re2.error as error:
        kind, _, part = _text(error).partition(": ")
        if kind == _TOO_LARGE:
            return too_large(pattern)
        told = f"error parsing regexp: {_TEXTS.get(kind, kind)}"
        return f"{told}: `{part}`" if part else told
    return ""


def _text(error: re2.error) -> str:
    what = error.args[0]
    return what.decode(errors="replace") if isinstance(what, bytes) else str(what)
