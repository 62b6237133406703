"""The algebra of field sets, against plain sets of paths."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.apiserver.apply.fieldset import (
    FieldSet,
    Node,
    checked,
    difference,
    intersection,
    ordered,
    paths,
    union,
    without_trees,
)  # fmt: skip

ELEMENTS = st.sampled_from(["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'v:"y"'])
PATHS = st.lists(ELEMENTS, min_size=1, max_size=3).map(tuple)
SETS = st.sets(PATHS, max_size=8)


def of(members: set[tuple[str, ...]]) -> FieldSet:
    """The set of paths, made one path at a time."""
    found: FieldSet = None
    for path in sorted(members):
        node: Node = {}
        for element in reversed(path):
            node = {element: node}
        found = union(found, node)
    return found


def members(node: FieldSet, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for element, below in (node or {}).items():
        if element != ".":
            path = (*prefix, element)
            found |= ({path} if not below or "." in below else set()) | members(below or None, path)
    return found


@given(SETS, SETS)
def test_algebra(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    a, b = of(left), of(right)
    before: Any = (repr(a), repr(b))
    assert members(a) == left
    assert members(union(a, b)) == left | right
    assert members(intersection(a, b)) == left & right
    assert members(difference(a, b)) == left - right
    below = {p for p in left if any(p[: len(q)] == q for q in right)}
    assert members(without_trees(a, b)) == left - below
    assert (repr(a), repr(b)) == before
    for empty in (difference(a, a), intersection(a, None), without_trees(a, a)):
        assert empty is None


def test_paths_as_upstream_prints_them() -> None:
    fields = checked(
        {
            "f:spec": {
                "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:name": {}}},
                "f:finalizers": {'v:"a/b"': {}},
                "f:paused": {},
            }
        }
    )
    assert list(paths(fields)) == [
        ".spec.paused",
        '.spec.finalizers[="a/b"]',
        '.spec.ports[containerPort=80,protocol="TCP"]',
        '.spec.ports[containerPort=80,protocol="TCP"].name',
    ]


def in_order(node: FieldSet) -> bool:
    return not node or (list(node) == list(ordered(node)) and all(map(in_order, node.values())))


@given(SETS, SETS)
def test_elements_stay_in_upstreams_order(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    for operation in (union, intersection, difference, without_trees):
        assert in_order(operation(of(left), of(right)))


def test_upstreams_order_of_elements() -> None:
    wanted = [
        ".", "f:a", "f:ab", "f:b", 'k:{"containerPort":81,"protocol":"UDP"}',
        'k:{"containerPort":443,"protocol":"TCP"}',
        'k:{"containerPort":443,"protocol":"UDP"}', 'k:{"name":"a"}', 'k:{"name":"a b"}', 'k:{"name":"ab"}', "v:9",
        "v:10", 'v:"1"', "v:true", "i:2", "i:10",
    ]  # fmt: skip
    assert list(ordered({key: {} for key in sorted(wanted, reverse=True)})) == wanted


def test_what_a_client_sends_is_put_in_order() -> None:
    sent = {"f:spec": {"f:b": {}, "f:a": {"f:y": {}, ".": {}, "f:x": {}}}, "f:metadata": {}}
    found = checked(sent)
    assert found == sent
    assert in_order(found)
