"""What a script of a simulated container is made of: simple commands, joined by `;`, `&&`, `||` and `|`. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

ENDS = (";", ";;", "&", "|", "&&", "||")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class ScriptError(ValueError):
    """The text is no script."""


@dataclass(frozen=True, slots=True)
class Simple:
    """One command with its arguments. `joined` is what stands between the command before and this one ("" for the
    first); `kept` is false when its output goes into a file."""

    words: tuple[str, ...]
    joined: str
    kept: bool = True


def parse(text: str, environment: Mapping[str, str]) -> list[Simple]:
    """The script's commands with variables in place. Raises ScriptError for quotes without end."""
    lexer = shlex.shlex(text.replace("\n", ";"), posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        tokens = [*lexer, ";"]
    except ValueError as failure:
        raise ScriptError(str(failure)) from None
    found: list[Simple] = []
    words: list[str] = []
    joined, redirected = "", False
    for token in tokens:
        if token in ENDS:
            if words:
                found.append(Simple(tuple(words), joined, not redirected))
                joined = token
            words, redirected = [], False
        elif set(token) <= set("<>&"):
            redirected = True
        elif not redirected:
            words.append(_VARIABLE.sub(lambda m: environment.get(m[1] or m[2], ""), token))
    return found


def endless(steps: Sequence[Simple]) -> tuple[list[Simple], list[Simple]] | None:
    """What a script does once, and what it then does over and over in its `while true; do ...; done`; None if it has no
    such loop, or more than that one."""
    at = next((i for i, step in enumerate(steps) if step.words in (("while", "true"), ("while", ":"))), None)
    if at is None or steps[-1].words != ("done",):
        return None
    body = list(steps[at + 1 : -1])
    if not body or body[0].words[0] != "do" or len(body[0].words) == 1:
        return None
    first = replace(body[0], words=body[0].words[1:], joined="")
    return list(steps[:at]), [first, *body[1:]]
