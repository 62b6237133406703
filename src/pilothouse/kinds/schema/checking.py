"""Schemas compiled to functions that check values, one per JSON type: a value meets only what concerns it. Pure.

Order and words are those of the validator upstream, down to its oddities: a float where an integer is wanted is told
of twice, and a factor that is no integer counts as 0 for integers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.api import go_text
from pilothouse.kinds.schema import faults, regexps
from pilothouse.kinds.schema.combinators import junctors
from pilothouse.kinds.schema.faults import Fault, Faults
from pilothouse.kinds.schema.formats import FORMATS
from pilothouse.kinds.schema.numbers import is_integer, number_step

Check = Callable[[Any], Faults]
Raw = Mapping[str, Any]
_SHORT = 64
# What a value is checked for by its type alone, and what is not checked of it.
_PLAIN = frozenset(("type", "format", "nullable", "description", "title", "default", "example"))
_JSON_TYPES: dict[type, tuple[str, str]] = {
    str: ("string", ""),
    bool: ("boolean", ""),
    int: ("integer", "int64"),
    float: ("number", "float64"),
    dict: ("object", ""),
    list: ("array", ""),
    type(None): ("null", ""),
}


def compiled(raw: Raw) -> Check | None:
    """The check of a schema; None if it lets everything pass. Schemas that say no more than a type share one: most of a
    large definition are such, and the cycle collector walks through every function that is kept."""
    if raw.keys() <= _PLAIN and len(raw.get("format", "")) <= _SHORT:
        return _plain(raw.get("type", ""), raw.get("format", ""), bool(raw.get("nullable")))
    return _compiled(raw)


@functools.lru_cache(maxsize=256)
def _plain(type: str, format: str, nullable: bool) -> Check | None:
    return _compiled({"type": type, "format": format, "nullable": nullable})


def _compiled(raw: Raw) -> Check | None:
    # Once for all types: a schema within schemas would be compiled for each type of each schema around it.
    junction = junctors(raw, compiled)
    table = {kind: _steps(raw, kind, junction) for kind in _JSON_TYPES}
    if not any(table.values()):
        return None

    def check(value: Any) -> Faults:
        found: list[Fault] | None = None
        for step in table[type(value)]:
            if wrong := step(value):
                found = [*(found or ()), *wrong]
        return found or ()

    return check


def types_of(raw: Raw) -> tuple[str, ...]:
    """The JSON types that a schema allows; none allow all."""
    if raw.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (raw["type"],) if raw.get("type") else ()


def _steps(raw: Raw, kind: type, junction: Check | None) -> tuple[Check, ...]:
    """What is checked of values of one JSON type, in order."""
    if kind is type(None):
        steps: list[Check | None] = [_null_step(raw), _enum_step(raw)]
    else:
        steps = [_type_step(raw, kind), junction]
        if kind is str:
            steps += [_string_step(raw), _format_step(raw)]
        if kind in (int, float):
            steps.append(number_step(raw, types_of(raw), kind))
        if kind is list:
            steps.append(_list_step(raw))
        steps.append(_enum_step(raw))
        if kind is dict:
            steps.append(_object_step(raw))
    return tuple(step for step in steps if step is not None)


def _null_step(raw: Raw) -> Check | None:
    types = types_of(raw)
    return None if not types or raw.get("nullable") else _not_null(types)


@functools.lru_cache(maxsize=64)
def _not_null(types: tuple[str, ...]) -> Check:
    fault = (faults.wrong_type(",".join(types), "null"),)
    return lambda value: fault


def _type_step(raw: Raw, kind: type) -> Check | None:
    types, format = types_of(raw), raw.get("format", "")
    return (_typed if len(format) <= _SHORT else _typed.__wrapped__)(types, format, kind)


@functools.lru_cache(maxsize=512)
def _typed(types: tuple[str, ...], format: str, kind: type) -> Check | None:
    said, said_format = _JSON_TYPES[kind]
    wrong = (faults.wrong_type(",".join(types), said),)
    if format and kind in (str, list) and not {"number", "integer"} & set(types):
        return None
    if not types or said in types or (kind is int and "number" in types):
        return None
    if format and kind not in (str, list):
        if format == said_format:
            return (lambda value: () if is_integer(value) else wrong) if "integer" in types else lambda value: wrong
        wrong = (faults.wrong_type(format, said_format),)
    if kind is float and "integer" in types:
        return lambda value: () if is_integer(value) else wrong
    return lambda value: wrong


def _string_step(raw: Raw) -> Check | None:
    longest, shortest, pattern = raw.get("maxLength"), raw.get("minLength"), raw.get("pattern", "")
    if longest is None and not shortest and not pattern:
        return None
    match = _matcher(pattern) if pattern else None

    def step(value: str) -> Faults:
        if longest is not None and len(value) > longest:
            return (faults.too_long(longest),)
        if shortest is not None and len(value) < shortest:
            return (faults.invalid(value, f"should be at least {shortest} chars long"),)
        if match is not None and not match(value):
            return (faults.invalid(value, f"should match '{pattern}'"),)
        return ()

    return step


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a text matches; short ones are remembered, as objects of one template hold the same."""
    search = regexps.compiled(pattern).search

    def matches(text: str) -> bool:
        return bool(search(text))

    known = functools.lru_cache(maxsize=256)(matches)
    return lambda text: known(text) if len(text) <= _SHORT else matches(text)


def _format_step(raw: Raw) -> Check | None:
    format = raw.get("format", "")
    fits = FORMATS.get(format)
    if fits is None:
        return None
    told = f"{faults.PATH} in body must be of type {format}: "
    return lambda value: () if fits(value) else (
        Fault("FieldValueTypeInvalid", value, told + go_text.quote(value)),
    )  # fmt: skip


def _enum_step(raw: Raw) -> Check | None:
    values = raw.get("enum")
    if not values:
        return None
    shown = ", ".join(go_text.quote(v if isinstance(v, str) else go_text.to_json(v)) for v in values)

    def step(value: Any) -> Faults:
        if value is not None and any(_equal(value, allowed) for allowed in values):
            return ()
        return (Fault("FieldValueNotSupported", value, f"supported values: {shown}"),)

    return step


def _equal(value: Any, allowed: Any) -> bool:
    return isinstance(value, bool) == isinstance(allowed, bool) and bool(value == allowed)


def _list_step(raw: Raw) -> Check | None:
    items = raw.get("items")
    check = compiled(items) if isinstance(items, Mapping) else None
    fewest, most = raw.get("minItems"), raw.get("maxItems")
    if check is None and not fewest and most is None:
        return None

    def step(value: list[Any]) -> Faults:
        found: list[Fault] = []
        if check is not None:
            for at, item in enumerate(value):
                if wrong := check(item):
                    found += [fault.below(at) for fault in wrong]
        size = len(value)
        if fewest is not None and size < fewest:
            found.append(faults.invalid(size, f"should have at least {fewest} items"))
        if most is not None and size > most:
            found.append(faults.too_many(size, most))
        return found

    return step


def _object_step(raw: Raw) -> Check | None:
    properties: Raw = raw.get("properties", {})
    additional = raw.get("additionalProperties")
    others = compiled(additional) if isinstance(additional, Mapping) else None
    checks = [(name, made) for name, inner in properties.items() if (made := compiled(inner)) is not None]
    wanted = tuple(raw.get("required", ()))
    if raw.get("x-kubernetes-embedded-resource"):
        wanted += tuple(name for name in ("apiVersion", "kind") if name not in wanted)
    count = _count_step(raw)
    if not checks and others is None and not wanted and count is None:
        return None

    def step(value: dict[str, Any]) -> Faults:
        if count is not None and (wrong := count(value)):
            return wrong
        found: list[Fault] = []
        if others is not None:
            for name, member in value.items():
                if name not in properties and (wrong := others(member)):
                    found += [fault.below(name) for fault in wrong]
        for name, check in checks:
            if name in value and (wrong := check(value[name])):
                found += [fault.below(name) for fault in wrong]
        for name in wanted:
            if name not in value:
                found.append(faults.required(name))
        return found

    return step


def _count_step(raw: Raw) -> Check | None:
    fewest, most = raw.get("minProperties"), raw.get("maxProperties")
    if not fewest and most is None:
        return None

    def step(value: dict[str, Any]) -> Faults:
        size = len(value)
        if fewest is not None and size < fewest:
            return (faults.invalid(size, f"should have at least {fewest} properties"),)
        return (faults.too_many(size, most),) if most is not None and size > most else ()

    return step
