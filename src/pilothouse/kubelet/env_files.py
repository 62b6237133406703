"""Files of variables (KEP-3721): lines of `NAME='value'`, a strict part of a shell's syntax. Pure."""

from __future__ import annotations


class EnvFileError(ValueError):
    """The file is none of these; the text says where."""


def lookup(text: str, key: str) -> str | None:
    """The value of `key` in a file; None if it has none. What comes after it is not looked at, as upstream's ParseEnv.
    Raises EnvFileError."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        line = line.lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        _check_name(name, equals, number)
        if value[:1] in (" ", "\t", ""):
            if value == "":
                raise EnvFileError(f"{_at(number)}: value must be enclosed in single quotes")
            if name == key:
                return ""
            continue
        if not value.startswith("'"):
            raise EnvFileError(f"{_at(number)}: value must be enclosed in single quotes")
        quoted, rest, last = value[1:], "", number
        while "'" not in quoted:
            last, more = next(lines, (0, ""))
            if not last:
                raise EnvFileError(
                    f"invalid environment variable format starting at line {number}: unclosed single quote"
                )
            quoted += "\n" + more
        quoted, _, rest = quoted.partition("'")
        rest = rest.lstrip(" \t")
        if rest and not rest.startswith("#"):
            raise EnvFileError(f"{_at(last)}: unexpected content after closing quote")
        if name == key:
            return quoted
    return None


def _check_name(name: str, equals: str, number: int) -> None:
    if not equals:
        raise EnvFileError(f"{_at(number)}: missing '='")
    if not name.rstrip(" \t"):
        raise EnvFileError(f"{_at(number)}: empty variable name")
    if name != name.rstrip(" \t"):
        raise EnvFileError(f"{_at(number)}: whitespace before '=' is not allowed")


def _at(number: int) -> str:
    return f"invalid environment variable format at line {number}"
