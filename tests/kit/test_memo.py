"""Results remembered by identity."""

from __future__ import annotations

from pilothouse.kit.memo import LIMIT, Memo, hold_small


class Value:
    pass


def test_makes_once_for_each_value() -> None:
    made: list[tuple[object, ...]] = []
    memo: Memo[Value, int] = Memo(lambda *asked: made.append(asked) or len(made))
    one, other = Value(), Value()
    hold_small(one)
    hold_small(other)
    assert [memo(one), memo(other), memo(one)] == [1, 2, 1]
    assert [memo(one, "a"), memo(one, "b"), memo(one, "a")] == [3, 4, 3]
    assert made == [(one,), (other,), (one, "a"), (one, "b")]


def test_no_value_gets_the_result_of_one_that_is_gone() -> None:
    memo: Memo[Value, Value] = Memo(lambda value: value)
    for _ in range(3 * LIMIT):
        value = Value()
        hold_small(value)
        assert memo(value) is value


def test_what_is_not_known_to_be_small_is_not_kept() -> None:
    memo: Memo[Value, Value] = Memo(lambda value: Value())
    large = Value()
    assert memo(large) is not memo(large)
    judging: Memo[Value, Value] = Memo(lambda value: Value(), lambda value: True)
    made = judging(large)
    assert judging(large) is made
    assert memo(made) is memo(made)
