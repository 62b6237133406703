"""The JSONPath of printer columns: `.spec.l[*]`, `.status.conditions[?(@.type=="Ready")].status`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

Step = Callable[[list[Any]], list[Any]]
_FIELD = re.compile(r"\.((?:\\.|[^.\[\\])+)")
_FILTER = re.compile(r"@((?:\.(?:\\.|[^.\[\]\\=!<>\s])+|\[[^\]]*\])*)\s*(?:(==|!=|<=|>=|<|>)\s*(.+))?\Z")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d*))?\Z")


class JSONPathError(ValueError):
    """A path that is none."""


def compiled(path: str) -> Callable[[Any], list[Any]]:
    """From a JSON tree to all that the path finds, in order. Raises JSONPathError."""
    steps = list(_steps(path))

    def find(tree: Any) -> list[Any]:
        found = [tree]
        for step in steps:
            found = step(found)
        return found

    return find


def _steps(path: str) -> Iterable[Step]:
    at = 0
    while at < len(path):
        if path.startswith("..", at):
            at += 1
            yield _descendants
            continue
        if path[at] == "[":
            end = _closing(path, at)
            yield _bracket(path[at + 1 : end].strip())
            at = end + 1
            continue
        match = _FIELD.match(path, at)
        if match is None:
            if path[at:] == ".":
                return
            raise JSONPathError(f"unrecognized character in action: {path[at:]!r}")
        name = re.sub(r"\\(.)", r"\1", match.group(1))
        yield _all if name == "*" else _field(name)
        at = match.end()


def _closing(path: str, start: int) -> int:
    """Where a bracket ends: quotes and inner brackets are stepped over."""
    depth, quote = 0, ""
    for at in range(start, len(path)):
        char = path[at]
        if quote:
            quote = "" if char == quote and path[at - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char in "[]":
            depth += 1 if char == "[" else -1
            if depth == 0:
                return at
    raise JSONPathError("unterminated array")


def _bracket(text: str) -> Step:
    if text == "*":
        return _all
    if text.startswith("?(") and text.endswith(")"):
        return _filter(text[2:-1].strip())
    if text[:1] in ("'", '"') and text[-1:] == text[:1]:
        return _field(text[1:-1])
    if (match := _SLICE.match(text)) is not None:
        low, high, by = (int(part) if part else None for part in match.groups())
        return lambda found: [item for value in found if isinstance(value, list) for item in value[low:high:by]]
    if re.fullmatch(r"-?\d+", text):
        return _index(int(text))
    if "," in text:
        parts = [_bracket(part.strip()) for part in text.split(",")]
        return lambda found: [item for part in parts for item in part(found)]
    raise JSONPathError(f"invalid array index {text}")


def _field(name: str) -> Step:
    return lambda found: [value[name] for value in found if isinstance(value, dict) and name in value]


def _index(at: int) -> Step:
    return lambda found: [v[at] for v in found if isinstance(v, list) and -len(v) <= at < len(v)]


def _all(found: list[Any]) -> list[Any]:
    out: list[Any] = []
    for value in found:
        out += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return out


def _descendants(found: list[Any]) -> list[Any]:
    out: list[Any] = []
    for value in found:
        if isinstance(value, dict | list):
            out += [value, *_descendants(list(value.values()) if isinstance(value, dict) else value)]
    return out


def _filter(text: str) -> Step:
    match = _FILTER.match(text)
    if match is None:
        raise JSONPathError(f"unparsable filter {text}")
    left, operator, right = match.groups()
    find = compiled(left)
    wanted = _literal(right.strip()) if right is not None else None

    def holds(item: Any) -> bool:
        values = find(item)
        if operator is None:
            return bool(values)
        return bool(values) and _compare(values[0], operator, wanted)

    return lambda found: [
        item for value in found for item in (value if isinstance(value, list) else [value]) if holds(item)
    ]


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise JSONPathError(f"unrecognized character in action: {text}") from None


def _compare(value: Any, operator: str, wanted: Any) -> bool:
    if operator in ("==", "!="):
        return (value == wanted and isinstance(value, bool) == isinstance(wanted, bool)) == (operator == "==")
    if isinstance(value, str) != isinstance(wanted, str) or not isinstance(value, str | int | float):
        return False
    if operator in ("<", "<="):
        return bool(value < wanted or (operator == "<=" and value == wanted))
    return bool(value > wanted or (operator == ">=" and value == wanted))
