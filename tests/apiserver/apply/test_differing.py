"""Comparing only what differs finds what comparing everything finds."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api.codec.json import decode_any, encode, from_builtins
from pilothouse.api.shapes import fields_of_struct, shape_of
from pilothouse.api.types.apps.v1 import Deployment
from pilothouse.api.types.core.v1 import ConfigMap, Node, Pod, Service
from pilothouse.apiserver.apply.compare import compare
from pilothouse.apiserver.apply.differing import differing
from pilothouse.apiserver.apply.schema import node_of
from tests.api.test_protobuf import sample


def changed(obj: Any, other: Any, dice: random.Random) -> Any:
    """`obj` with some fields, at any depth, of `other`."""
    changes = {}
    for field in fields_of_struct(type(obj)).values():
        attribute = field.fact.attribute
        left, right = getattr(obj, attribute), getattr(other, attribute)
        roll = dice.random()
        if isinstance(left, Struct) and type(left) is type(right) and roll < 0.7:
            changes[attribute] = changed(left, right, dice)
        elif roll < 0.2 and attribute not in ("kind", "api_version"):
            changes[attribute] = right
    return replace(obj, **changes)


@pytest.mark.parametrize("kind", [Pod, Deployment, ConfigMap, Service, Node])
@pytest.mark.parametrize("seed", range(6))
def test_same_comparison(kind: type[Any], seed: int) -> None:
    dice = random.Random(seed)
    full = from_builtins(sample(shape_of(kind), 4, dice), kind)
    old = changed(full, kind(), dice)
    new = changed(changed(old, full, dice), kind(), dice)
    node = node_of(kind)
    assert compare(node, *differing(old, new)) == compare(node, decode_any(encode(old)), decode_any(encode(new)))
