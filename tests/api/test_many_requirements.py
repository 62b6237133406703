"""Selectors of many requirements choose as each of the requirements does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.api.selectors import LabelSelector, Requirement

_KEYS, _VALUES = st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2", "3", "x", ""])
_REQUIREMENTS = st.one_of(
    st.builds(lambda key, value: Requirement(key, "=", (value,)), _KEYS, _VALUES),
    st.builds(lambda key, value: Requirement(key, "!=", (value,)), _KEYS, _VALUES),
    st.builds(lambda key, some: Requirement(key, "in", tuple(sorted(some))), _KEYS, st.sets(_VALUES, min_size=1)),
    st.builds(lambda key, some: Requirement(key, "notin", tuple(sorted(some))), _KEYS, st.sets(_VALUES, min_size=1)),
    st.builds(Requirement, _KEYS, st.sampled_from(["exists", "!"])),
    st.builds(
        lambda key, operator, bound: Requirement(key, operator, (bound,)),
        _KEYS,
        st.sampled_from(["gt", "lt"]),
        st.sampled_from(["0", "1", "2", "3"]),
    ),
)


@given(st.lists(_REQUIREMENTS, max_size=6), st.dictionaries(_KEYS, _VALUES))
def test_compiled_selectors_agree_with_their_requirements(found: list[Requirement], labels: dict[str, str]) -> None:
    selector = LabelSelector(tuple(found))
    assert selector.compiled()(labels) == all(requirement.matches(labels) for requirement in found)
