"""`$(NAME)` in commands, arguments and environment values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def expand(text: str, values: Mapping[str, str]) -> str:
    """`text` with every `$(NAME)` that `values` knows replaced; `$$` is `$`, an unknown reference stays as it is."""
    return substitute(text, values.get)


def substitute(text: str, lookup: Callable[[str], str | None]) -> str:
    """As `expand`, with values that are asked for; None for one that is unknown."""
    out, at = [], 0
    while (found := text.find("$", at)) >= 0 and found + 1 < len(text):
        out.append(text[at:found])
        following = text[found + 1]
        if following == "(" and (end := text.find(")", found)) >= 0:
            value = lookup(text[found + 2 : end])
            out.append(text[found : end + 1] if value is None else value)
            at = end + 1
        elif following == "$":
            out.append("$")
            at = found + 2
        elif following == "(":
            out.append("$(")
            at = found + 2
        else:
            out.append("$" + following)
            at = found + 2
    return "".join(out) + text[at:]
