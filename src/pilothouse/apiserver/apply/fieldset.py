"""Sets of field paths, held in the form of FieldsV1. Pure; no function changes what it is given.

A node says whether its own path is in the set, and holds the nodes below it by path element (`f:name`,
`k:{"name":"a"}`, `v:"x"`, `i:0`): `{}` is a path without others below, `{".": {}, ...}` a path with others, a node
without "." only leads to others. An empty set is None.

Elements stand in upstream's order, since clients see the bytes; every function here keeps it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pilothouse.kit import pieces

Node = dict[str, Any]
FieldSet = Node | None

LEAF: Node = {}
SELF = "."
_RANKS = {"f": 0, "k": 1, "v": 2, "i": 3}


class FieldSetError(ValueError):
    """Text that is no FieldsV1."""


def ordered(node: Node) -> Node:
    """The node with its elements in upstream's order; what is below is in order already."""
    if len(node) < 2:
        return node
    keys = pieces.in_order(node)
    if keys[-1] > "g":  # not field names alone, whose order is that of their text
        keys = pieces.in_order(keys, key=_order)
    return {key: node[key] for key in keys}


def has_self(node: Node) -> bool:
    return not node or SELF in node


def _made(member: bool, below: Node) -> FieldSet:
    """A node of its own membership and what is below."""
    if not below:
        return LEAF if member else None
    return {SELF: LEAF, **below} if member else below


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """The root of either set is in none, so a root is never a leaf."""
    if left is None or right is None or left is right:
        return right if left is None else left
    return _union(left, right)


def _union(left: Node, right: Node) -> Node:
    if not left:
        return right if has_self(right) else {SELF: LEAF, **right}
    if not right:
        return left if SELF in left else {SELF: LEAF, **left}
    out = dict(left)
    for key, node in right.items():
        held = out.get(key)
        out[key] = node if held is None else _union(held, node)
    return out if len(out) == len(left) else ordered(out)


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    if left is None or right is None:
        return None
    below: Node = {}
    for key, node in left.items():
        other = right.get(key)
        if other is not None and key != SELF and (found := _intersection(node, other)) is not None:
            below[key] = found
    return below or None


def _intersection(left: Node, right: Node) -> FieldSet:
    below = intersection(left, right) if left and right else None
    return _made(has_self(left) and has_self(right), below or {})


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in `left` and not in `right`."""
    if left is None or right is None or not right:
        return left
    return _below_difference(left, right) or None


def _below_difference(left: Node, right: Node) -> Node:
    below: Node = {}
    for key, node in left.items():
        if key == SELF:
            continue
        other = right.get(key)
        found = node if other is None else _difference(node, other)
        if found is not None:
            below[key] = found
    return below


def _difference(left: Node, right: Node) -> FieldSet:
    member = has_self(left) and not has_self(right)
    return _made(member, _below_difference(left, right) if left else {})


def without_trees(left: FieldSet, right: FieldSet) -> FieldSet:
    """What is in `left` and neither in `right` nor below a path in it."""
    if left is None or right is None:
        return left
    below: Node = {}
    for key, node in left.items():
        if key == SELF:
            continue
        other = right.get(key)
        if other is None:
            below[key] = node
        elif not has_self(other):
            inner = without_trees(node, other) if node else None
            found = _made(has_self(node), {k: v for k, v in (inner or {}).items() if k != SELF})
            if found is not None:
                below[key] = found
    return below or None


def of_paths(paths: Iterable[tuple[str, ...]]) -> FieldSet:
    """The set of paths of field names: `("metadata", "name")`."""
    found: FieldSet = None
    for path in paths:
        node: Node = LEAF
        for name in reversed(path):
            node = {f"f:{name}": node}
        found = union(found, node)
    return found


def holds(node: FieldSet, element: str) -> bool:
    """Whether the path of one element is in the set."""
    found = node.get(element) if node else None
    return found is not None and has_self(found)


def below(node: FieldSet, element: str) -> FieldSet:
    """The set of what lies below an element, without the element itself."""
    found = node.get(element) if node else None
    return {k: v for k, v in found.items() if k != SELF} or None if found else None


def paths(node: FieldSet, prefix: str = "") -> Iterator[str]:
    """Every path in the set as upstream prints it (`.spec.containers[name="a"].image`) and in its order: those that
    end at a level before those that go deeper."""
    ordered = pieces.in_order([key for key in node or () if key != SELF], key=_order)
    for key in ordered:
        if node is not None and has_self(node[key]):
            yield prefix + element_text(key)
    for key in ordered:
        yield from paths(node[key] or None if node is not None else None, prefix + element_text(key))


@functools.lru_cache(4096)
def _order(key: str) -> tuple[Any, ...]:
    """What path elements are sorted by: their kind, then names as text and values as values."""
    kind, _, rest = key.partition(":")
    if kind == "i":
        return _RANKS[kind], int(rest)
    if kind == "v":
        return _RANKS[kind], _value_order(json.loads(rest))
    if kind == "k":
        held = json.loads(rest)
        return _RANKS[kind], tuple((name, _value_order(held[name])) for name in sorted(held))
    return _RANKS.get(kind, -1), rest


def _value_order(value: Any) -> tuple[int, Any]:
    """Numbers before texts before truth values before all else."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, int | float):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, json.dumps(value))


def element_text(element: str) -> str:
    """A path element as it stands in a path."""
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "i":
        return f"[{rest}]"
    value = json.loads(rest)
    if kind == "v":
        return f"[={_quoted(value)}]"
    return "[" + ",".join(f"{name}={_quoted(value[name])}" for name in sorted(value)) + "]"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def checked(fields: Any) -> FieldSet:
    """The set that a client's FieldsV1 is. Raises FieldSetError."""
    if fields is None:
        return None
    _check(fields)
    return _all_ordered({k: v for k, v in fields.items() if k != SELF}) or None


def _all_ordered(node: Node) -> Node:
    return ordered({key: _all_ordered(inner) if inner else inner for key, inner in node.items()})


def _check(node: Any) -> None:
    if not isinstance(node, dict):
        raise FieldSetError("fields must be objects")
    for key, value in node.items():
        if key == SELF:
            continue
        kind, colon, rest = key.partition(":")
        if not colon or kind not in _RANKS:
            raise FieldSetError(f"missing or unknown prefix in {key}")
        try:
            fits = kind == "f" or (kind == "i" and int(rest) is not None) or (kind in "kv" and _value(kind, rest))
        except ValueError:
            fits = False
        if not fits:
            raise FieldSetError(f"malformed path element {key}")
        _check(value)


def _value(kind: str, text: str) -> bool:
    value = json.loads(text)
    return isinstance(value, dict) if kind == "k" else True
