from __future__ import annotations

import bisect

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.kit import sortedkeys
from pilothouse.kit.sortedkeys import SortedKeys

KEYS = st.text(alphabet="ab/0\0", max_size=4)


@given(st.lists(KEYS, max_size=200), KEYS, KEYS)
def test_behaves_like_a_sorted_list(changes: list[str], first: str, end: str) -> None:
    before, sortedkeys._CHUNK = sortedkeys._CHUNK, 4
    try:
        keys, model = SortedKeys(), []
        for key in changes:
            if key in model:
                keys.remove(key)
                model.remove(key)
            else:
                keys.add(key)
                bisect.insort(model, key)
        expected = [key for key in model if key >= first and (not end or key < end)]
        assert [key for chunk in keys.slices(first, end) for key in chunk] == expected
        if not end or end >= first:
            assert keys.count(first, end) == len(expected)
        assert len(keys) == len(model)
    finally:
        sortedkeys._CHUNK = before
