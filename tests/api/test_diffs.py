"""Diffs in errors: as difflib makes them while they are short, and never at more cost than they are long."""

from __future__ import annotations

import random

import pytest

from pilothouse.api import go_text
from pilothouse.api.types.core.v1 import PodSpec, Toleration
from tests.apiserver.test_growth import Calls


def spec(keys: list[int]) -> PodSpec:
    return PodSpec(tolerations=tuple(Toleration(key=f"k{key}") for key in keys))


@pytest.mark.parametrize("changed", [0, 5, 19])
def test_one_change_is_told_alike_of_few_and_of_many(monkeypatch: pytest.MonkeyPatch, changed: int) -> None:
    old = spec(list(range(20)))
    new = spec([100 if key == changed else key for key in range(20)])
    few = go_text.unified_diff(old, new)
    monkeypatch.setattr(go_text, "_MOST_COMPARED", 0)
    assert few == go_text.unified_diff(old, new)
    assert "+" in few
    assert go_text.unified_diff(old, old) == ""


def test_more_changes_are_told_with_what_lies_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(go_text, "_MOST_COMPARED", 0)
    told = go_text.unified_diff(spec([1, 2, 3]), spec([4, 2])).splitlines()
    assert told[0].startswith("@@ -")
    assert [line for line in told if "Key" in line] == [
        '-   "Key": "k1",',
        '-   "Key": "k2",',
        '-   "Key": "k3",',
        '+   "Key": "k4",',
        '+   "Key": "k2",',
    ]


def cost(count: int) -> int:
    """Of a diff whose lines are repeated so often that it is the hardest to make, and too seldom to be passed over."""
    dice = random.Random(1)
    old, new = (spec([dice.randrange(count // 60 + 1) for _ in range(count)]) for _ in range(2))
    with Calls() as calls:
        go_text.unified_diff(old, new)
    return calls.total


def test_a_diff_costs_what_it_is_long() -> None:
    assert cost(16_000) < 5 * cost(4000)
