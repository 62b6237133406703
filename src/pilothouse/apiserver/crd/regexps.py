"""Regular expressions of clients: RE2, with the errors of Go's regexp. Pure."""

from __future__ import annotations

import functools

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
}


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


@functools.lru_cache(maxsize=512)
def compiled(pattern: str) -> re2._Regexp:
    """Raises re2.error."""
    return re2.compile(pattern, _options())


def go_error(pattern: str) -> str:
    """What Go says of a pattern that does not compile; empty for one that does."""
    try:
        compiled(pattern)
    except re2.error as error:
        what = error.args[0]
        text = what.decode(errors="replace") if isinstance(what, bytes) else str(what)
        kind, _, part = text.partition(": ")
        told = f"error parsing regexp: {_TEXTS.get(kind, kind)}"
        return f"{told}: `{part}`" if part else told
    return ""
