"""Patterns of the shell and of `grep`, matched in linear time. Pure.

A pattern is priced before it is used: the machine that reads it takes no more than its size times that of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import re2

# Memory of one compiled pattern; the library remembers 128 of them.
_MEMORY = 128 << 10
MAGIC = frozenset("*?[")
_TOKEN = re.compile(r"\[[!^]?\]?(?:\[:\w+:\]|[^]])*\]|\\?.", re.DOTALL)
# Microseconds for each character of a pattern, and for each character of a text and instruction of the pattern.
_COMPILED, _MATCHED = 1.0, 0.02


class BadPattern(ValueError):
    """What is no pattern."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern."""

    _compiled: re2._Regexp

    def price(self, size: int) -> float:
        """Microseconds that a text of so many characters takes at most."""
        return 1 + size * int(self._compiled.programsize) * _MATCHED

    def within(self, text: str) -> bool:
        """Whether it matches a part of the text."""
        return self._compiled.search(text) is not None

    def whole(self, text: str) -> bool:
        return self._compiled.fullmatch(text) is not None

    def prefix(self, text: str) -> int | None:
        """The length of the beginning that matches."""
        found = self._compiled.match(text)
        return None if found is None else int(found.end())


def price(pattern: str) -> float:
    """Microseconds that it takes to compile a pattern."""
    return 50 + _COMPILED * len(pattern)


def extended(text: str, *, literal: bool, ignore_case: bool) -> Pattern:
    """A regular expression, as `grep` knows them. Raises BadPattern."""
    options = _options()
    options.posix_syntax = options.perl_classes = options.word_boundary = True
    options.literal, options.case_sensitive = literal, not ignore_case
    return _compiled(text, options)


def glob(text: str, *, backwards: bool = False, greedy: bool = True) -> Pattern:
    """A pattern of POSIX 2.13, in which what follows a backslash stands for itself. `backwards` is for a text that is
    reversed; `greedy`: a prefix is the longest that matches, not the shortest."""
    star = ".*" if greedy else ".*?"
    tokens = [_translated(token, star) for token in _TOKEN.findall(text)]
    options = _options()
    options.dot_nl = True
    return _compiled("".join(reversed(tokens) if backwards else tokens), options)


def quoted(text: str) -> str:
    """A text that matches itself alone, as a part of a pattern of `glob`."""
    return re.sub(r"[\\*?[\]]", r"\\\g<0>", text)


def _translated(token: str, star: str) -> str:
    if token == "*":
        return star
    if token == "?":
        return "."
    if token[0] == "[" and len(token) > 2:
        inner = token[1:-1].replace("\\", "\\\\")
        negated = inner[0] in "!^"
        inner = inner[1:] if negated else inner
        if inner:
            return f"[{'^' if negated else ''}{inner}]"
    return str(re2.escape(token[1:] if len(token) == 2 and token[0] == "\\" else token))


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem, options.log_errors = _MEMORY, False
    return options


def _compiled(text: str, options: re2.Options) -> Pattern:
    try:
        return Pattern(re2.compile(text, options))
    except re2.error as failure:
        raise BadPattern(str(failure)) from None
