"""Which members of an object are accepted here and have no effect, or not all of it (`unserved.json`). Pure.

Upstream has no such list: there a field without effect is dropped, refused, or told of by who cannot carry it out.
Until that is so for a field here, whoever writes it is warned. `tools/served_fields.py` holds the list against the
code.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.shapes import hints_of
from pilothouse.api.types.apiextensions.v1 import JSONSchemaProps
from pilothouse.api.types.core.v1 import PodSpec
from pilothouse.kit.memo import Memo

_TYPES = "pilothouse.api.types."
_LEFT_OUT = frozenset(("metadata", "status"))
# Where schemas are in a schema that validation lets through.
_SCHEMAS_BY_NAME = ("properties",)
_SCHEMAS = ("items", "additionalProperties", "not", "allOf", "anyOf", "oneOf")


class Branch(NamedTuple):
    """A member that is listed (`reason`), or has listed ones below."""

    attribute: str
    name: str
    default: Any
    reason: str
    below: tuple[Branch, ...]
    values: Mapping[str, str]
    """Single values of a text that have no effect, and why."""


@functools.cache
def reasons() -> Mapping[str, str]:
    """`group.version.Type` or `group.version.Type.field` to why it has no effect, or not all of it."""
    return {**_sections()["without_effect"], **_sections()["in_part"]}


def reasons_of_values() -> Mapping[str, str]:
    """`group.version.Type.field=value` to why that value of the field has no effect."""
    return _sections()["values"]


@functools.cache
def _sections() -> Mapping[str, Mapping[str, str]]:
    text = importlib.resources.files("pilothouse.apiserver.admission").joinpath("unserved.json").read_bytes()
    sections: dict[str, dict[str, str]] = json.loads(text)
    return sections


@functools.cache
def _values() -> Mapping[str, Mapping[str, str]]:
    """`group.version.Type.field` to the listed values of it, and why."""
    values: dict[str, dict[str, str]] = {}
    for listed, reason in reasons_of_values().items():
        name, _, value = listed.partition("=")
        values.setdefault(name, {})[value] = reason
    return values


def warnings(obj: Any) -> Iterator[str]:
    """A warning for each listed member that `obj`, a generated Struct, sets; one for all of a schema."""
    yield from _warnings(obj, branches(type(obj)), "")


def _warning(where: str, reason: str) -> str:
    return f"{where}: accepted, but without effect on this cluster: {reason}"


def _of_schema(schema: JSONSchemaProps, path: str) -> Iterator[str]:
    """One warning for each listed keyword: definitions of operators have dozens of rules."""
    places: dict[str, list[str]] = {}
    for where, keyword in _keywords(to_builtins(schema), path):
        places.setdefault(keyword, []).append(where)
    for keyword, found in places.items():
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        yield _warning(f"{found[0]}.{keyword}{more}", _schema_reasons()[keyword])


def _keywords(raw: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """(where, keyword) of what a schema (as JSON), and all in it, has of the listed keywords."""
    for keyword in _schema_reasons():
        if raw.get(keyword):
            yield path, keyword
    for name in _SCHEMAS_BY_NAME:
        for key, inner in raw.get(name, {}).items():
            yield from _keywords(inner, f"{path}.{name}[{key}]")
    for name in _SCHEMAS:
        inner = raw.get(name)
        if isinstance(inner, Mapping):
            yield from _keywords(inner, f"{path}.{name}")
        elif isinstance(inner, list | tuple):
            for index, one in enumerate(inner):
                yield from _keywords(one, f"{path}.{name}[{index}]")


@functools.cache
def _schema_reasons() -> Mapping[str, str]:
    """The listed keywords of schemas."""
    name = f"{_type_name(JSONSchemaProps)}."
    return {listed.removeprefix(name): reason for listed, reason in reasons().items() if listed.startswith(name)}


def _warnings(value: Any, listed: tuple[Branch, ...], path: str) -> Iterator[str]:
    for branch in listed:
        member = getattr(value, branch.attribute)
        if member is None or member == branch.default:
            continue
        where = path + branch.name
        if branch.reason:
            yield _warning(where, branch.reason)
        elif branch.values:
            if member in branch.values:
                yield _warning(f"{where}={member}", branch.values[member])
        elif isinstance(member, tuple):
            for index, element in enumerate(member):
                yield from _warnings(element, branch.below, f"{where}[{index}].")
        elif isinstance(member, Mapping):
            for key, element in member.items():
                yield from _warnings(element, branch.below, f"{where}[{key}].")
        elif isinstance(member, PodSpec):
            yield from (f"{where}.{text}" for text in _of_pod_spec(member))
        elif isinstance(member, JSONSchemaProps):
            yield from _of_schema(member, where)
        else:
            yield from _warnings(member, branch.below, f"{where}.")


def _of_spec(spec: PodSpec) -> tuple[str, ...]:
    return tuple(_warnings(spec, branches(PodSpec), ""))


_of_pod_spec: Memo[PodSpec, tuple[str, ...]] = Memo(_of_spec)


def _all_branches(kind: Any) -> tuple[Branch, ...]:
    """The members of a Struct that are listed, or lead to listed ones."""
    return _branches(kind, ())


# As a plain function: mypy holds that a type cannot be hashed.
branches: Callable[[Any], tuple[Branch, ...]] = functools.cache(_all_branches)


def _branches(kind: type[Any], above: tuple[type[Any], ...]) -> tuple[Branch, ...]:
    if kind in above:
        return ()
    hints = hints_of(kind)
    found: dict[str, tuple[str, tuple[Branch, ...], Mapping[str, str]]] = {}
    for attribute, name in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True):
        if attribute in _LEFT_OUT:
            continue
        reason = next((reasons()[listed] for listed in _names(kind, name) if listed in reasons()), "")
        inner = _struct(hints[attribute])
        if inner is not None and not reason:
            reason = reasons().get(_type_name(inner), "")
        below = _branches(inner, (*above, kind)) if inner is not None and not reason else ()
        values = next((_values()[listed] for listed in _names(kind, name) if listed in _values()), {})
        if reason or below or values:
            found[attribute] = reason, below, values
    fields = msgspec.structs.fields(kind) if found else ()  # takes as long as all the rest
    return tuple(Branch(f.name, f.encode_name, _default(f), *found[f.name]) for f in fields if f.name in found)


def _default(field: Any) -> Any:
    """What a member is that nobody sets."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def _names(kind: type[Any], name: str) -> Iterator[str]:
    """What the field of that name may be listed as: under its type, or a base of it."""
    for base in kind.__mro__:
        if base.__module__.startswith(_TYPES):
            yield f"{_type_name(base)}.{name}"


def _type_name(kind: type[Any]) -> str:
    return f"{kind.__module__.removeprefix(_TYPES)}.{kind.__name__}"


def _struct(hint: Any) -> type[Any] | None:
    """The Struct in `X | None`, `tuple[X, ...]` or `Mapping[str, X]`."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return next((s for argument in typing.get_args(hint) if (s := _struct(argument)) is not None), None)
