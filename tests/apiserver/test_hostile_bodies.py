"""Bodies that are nearly right: whatever they hold, they are decoded or refused with a Status, never with less."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.api.codec import protobuf, strict
from pilothouse.api.codec.json import encode, from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.shapes import shape_of
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.apply import configuration
from pilothouse.apiserver.apply.tracker import FieldTracker
from pilothouse.apiserver.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, apply_patch
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.registry import strategies
from pilothouse.testing.clock import VirtualClock
from tests.api.test_protobuf import sample

JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 1.5, 1e30, 10**30, "", "x", "\ud800", "5", "1e3", [], {}, [None], [[]], {"a": 1},
    {"$patch": "delete"}, {"$patch": "replace"}, ["a", 1], [{}], {"": None}, "2024-01-01T00:00:00Z", "-",
    {"name": "a"}, [{"name": "a"}, {"name": "a"}], [{"name": None}], float("inf"), {"$retainKeys": ["a"]},
]  # fmt: skip
KINDS = [strategy.type for strategy in strategies()]
TRACKER = FieldTracker(strategies(), VirtualClock())
CALL = Call(user=UserInfo(), api_version="v1", manager="m")


def mutated(tree: Any, dice: random.Random, rate: float) -> Any:
    """The tree with some of its parts dropped, replaced, renamed, or with directives of patches beside them."""
    if isinstance(tree, list):
        return [mutated(item, dice, rate) for item in tree] + ([dice.choice(JUNK)] if dice.random() < rate else [])
    if not isinstance(tree, dict):
        return dice.choice(JUNK) if dice.random() < rate / 2 else tree
    out: dict[str, Any] = {}
    for key, value in tree.items():
        roll = dice.random() / rate
        if roll < 1:
            out[key] = dice.choice(JUNK)
        elif roll < 1.2:
            out[key + "x"] = value
        elif roll < 1.4:
            out["$patch"] = dice.choice(["delete", "replace", "merge", 5, None])
        elif roll < 1.8:
            out["$setElementOrder/" + key] = dice.choice([*JUNK, value])
        elif roll < 2:
            out["$deleteFromPrimitiveList/" + key] = dice.choice([*JUNK, value])
        elif roll > 2.4:
            out[key] = mutated(value, dice, rate)
    return out


def path(tree: Any, dice: random.Random) -> str:
    """A JSON pointer into the tree, or near it."""
    found = ""
    while isinstance(tree, dict | list) and tree and dice.random() > 0.25:
        key = dice.choice(list(tree)) if isinstance(tree, dict) else dice.randrange(len(tree))
        found, tree = f"{found}/{str(key).replace('~', '~0').replace('/', '~1')}", tree[key]
    return found + dice.choice(["", "", "/-", "/0", "/x", "/-1", "x", "/~"])


def judged(work: Callable[[], Any]) -> None:
    try:
        work()
    except StatusError:
        return


def attack(seed: int) -> None:
    dice = random.Random(seed)
    kind, rate = dice.choice(KINDS), dice.choice((0.01, 0.03, 0.1))
    base = sample(shape_of(kind), 2, dice)
    name, version = strict.identity(kind)
    good = {**base, "kind": name, "apiVersion": version}
    data = json.dumps(mutated(good, dice, rate)).encode()
    if dice.random() < 0.15:
        at = dice.randrange(len(data))
        data = data[:at] + bytes((dice.randrange(256),)) + data[at + dice.randrange(2) :]
    live = from_builtins(base, kind)
    stored = encode(live)
    validation = dice.choice(("Warn", "Strict", "Ignore"))
    judged(lambda: strict.decode_request(data, kind, field_validation=validation))
    judged(lambda: strict.decode_request(data, kind, media_type=strict.YAML, field_validation=validation))
    judged(lambda: apply_patch(MERGE_PATCH, data, stored, kind, validation))
    judged(lambda: apply_patch(STRATEGIC_MERGE_PATCH, data, stored, kind, validation))
    names = ("add", "remove", "replace", "move", "copy", "test", "zz", 5, None)
    operations = [
        {"op": dice.choice(names), "path": path(good, dice), "from": path(good, dice), "value": dice.choice(JUNK)}
        for _ in range(dice.randrange(4))
    ]
    judged(lambda: apply_patch(JSON_PATCH, json.dumps(operations).encode(), stored, kind, validation))

    def applied() -> None:
        config, _ = configuration(data, validation)
        if isinstance(config.get("metadata"), dict):
            config["metadata"].pop("managedFields", None)
        TRACKER.applied(dice.choice((None, live)), config, kind, CALL, dice.random() < 0.5)

    judged(applied)
    message = bytearray(protobuf.encode(live))
    for _ in range(dice.randrange(4)):
        message[dice.randrange(4, len(message))] = dice.randrange(256)
    judged(lambda: strict.decode_request(bytes(message), kind, media_type=protobuf.CONTENT_TYPE))


@pytest.mark.parametrize("seed", range(40))
def test_hostile_bodies(seed: int) -> None:
    attack(seed)


@pytest.mark.torture
def test_ten_thousand_hostile_bodies() -> None:
    for seed in range(1000, 11_000):
        attack(seed)
