"""Paths into a schema, as selectable fields and the `fieldPath` of rules have them: `.spec.a['b.c']`. Pure.

Follows upstream's ValidFieldPath (apiextensions-apiserver, pkg/apiserver/schema/cel) in tokens and words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Raw = Mapping[str, Any]
_TOKEN = re.compile(r"'.*?(?<!\\)'|'.*|[.\[\]]|[^.\[\]]+", re.DOTALL)
_NOWHERE = "does not refer to a valid field"
_ENDS = "unexpected end of JSON path"
_ESCAPED = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class FieldPathError(ValueError):
    """A path that leads nowhere; the message says why."""


def resolved(schema: Raw, path: str, brackets: bool = True) -> tuple[tuple[str, ...], Raw | None]:
    """The names that a path has and the schema that it leads to, None if that one says nothing. `brackets` says whether
    names may stand in brackets. Raises FieldPathError."""
    names: list[str] = []
    tokens = iter(_TOKEN.findall(path))
    at: Raw | None = schema
    for token in tokens:
        if token == ".":
            name = _following(tokens)
        elif token == "[":
            if not brackets:
                raise FieldPathError("array notation is not allowed")
            name = _quoted(_following(tokens))
        else:
            raise FieldPathError(f"expected [ or . but got: {token}")
        at = _member(at, name)
        names.append(name)
        if token == "[" and (end := _following(tokens)) != "]":
            raise FieldPathError(f"expected ] but got {end}")
    return tuple(names), at


def _following(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise FieldPathError(_ENDS)
    return token


def _quoted(token: str) -> str:
    """The text of a token in single quotes."""
    if len(token) < 2 or not (token.startswith("'") and token.endswith("'")):
        raise FieldPathError(f"expected single quoted string but got {token}")

    def unescaped(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise FieldPathError("invalid string literal: invalid syntax")
        return _ESCAPES[match[1]]

    return _ESCAPED.sub(unescaped, token[1:-1])


def _member(schema: Raw | None, name: str) -> Raw | None:
    if schema is None:
        raise FieldPathError(_NOWHERE)
    if properties := schema.get("properties"):
        if name not in properties:
            raise FieldPathError(_NOWHERE)
        found: Raw = properties[name]
        return found
    additional = schema.get("additionalProperties")
    if additional is None:
        raise FieldPathError(_NOWHERE)
    return additional if isinstance(additional, Mapping) else None
