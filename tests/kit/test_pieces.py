"""Sorting in pieces."""

from __future__ import annotations

import random

from pilothouse.kit.pieces import ITEMS, in_order


def test_many_items_are_sorted_as_few_are() -> None:
    dice = random.Random(1)
    for count in (0, 1, ITEMS, ITEMS + 1, 3 * ITEMS, 50_000):
        items = [(dice.randrange(1000), number) for number in range(count)]
        assert in_order(items) == sorted(items)
        assert in_order(items, key=lambda item: item[0]) == sorted(items, key=lambda item: item[0])


def test_no_sort_takes_more_items_than_a_piece() -> None:
    comparisons = 0

    class Number(int):
        def __lt__(self, other: int) -> bool:
            nonlocal comparisons
            comparisons += 1
            return int(self) < int(other)

    items = [Number(n) for n in random.Random(1).sample(range(100_000), 40_000)]
    assert in_order(items) == sorted(map(int, items))
    assert comparisons < 40_000 * 20
