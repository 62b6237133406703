"""The parts of two typed objects that differ, as trees: what an update has to compare, and no more. Pure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import astuple

from pilothouse.api.codec.json import decode_any, encode, to_builtins
from pilothouse.api.custom import CustomObject

Tree = dict[str, Any]


class _Field(NamedTuple):
    name: str
    default: Any
    """What is left out when it has this value; NODEFAULT if the field is always written."""


def _plan_of(kind: Any) -> tuple[_Field, ...]:
    """The fields of a Struct as they are written, in its order."""
    found = []
    for field in msgspec.structs.fields(kind):
        default: Any = field.default
        if default is NODEFAULT and field.default_factory is dict:
            default = {}
        found.append(_Field(field.encode_name, default))
    return tuple(found)


_plan: Callable[[Any], tuple[_Field, ...]] = functools.cache(_plan_of)


def differing_custom(old: CustomObject, new: CustomObject) -> tuple[Tree, Tree]:
    """As `differing`, of two objects of a custom resource."""
    before, after = differing_trees(old.body, new.body)
    if old.metadata != new.metadata:
        parts = differing(old.metadata, new.metadata)
        before["metadata"], after["metadata"] = decode_any(encode(parts))  # with lists, as the rest has
    return before, after


def differing_trees(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Tree, Tree]:
    """The members of two JSON objects that are not the same in both."""
    before: Tree = {}
    after: Tree = {}
    for name, left in old.items():
        if name not in new:
            before[name] = left
            continue
        right = new[name]
        if left is right or left == right:
            continue
        if isinstance(left, dict) and isinstance(right, dict):
            before[name], after[name] = differing_trees(left, right)
        else:
            before[name], after[name] = left, right
    for name, right in new.items():
        if name not in old:
            after[name] = right
    return before, after


def differing(old: Struct, new: Struct) -> tuple[Tree, Tree]:
    """Trees of two objects of one type, without the parts that are the same in both. Lists in them are tuples."""
    before: Tree = {}
    after: Tree = {}
    for (name, default), left, right in zip(_plan(type(old)), astuple(old), astuple(new), strict=True):
        if left is right or left == right:
            continue
        if isinstance(left, Struct) and type(left) is type(right):
            before[name], after[name] = differing(left, right)
            continue
        if default is NODEFAULT or left != default:
            before[name] = to_builtins(left)
        if default is NODEFAULT or right != default:
            after[name] = to_builtins(right)
    return before, after
