"""What differs between two trees of a type, and all that one holds, as sets of field paths. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from pilothouse.apiserver.apply.fieldset import LEAF, SELF, FieldSet, Node, ordered, union, without_trees
from pilothouse.apiserver.apply.schema import TypeNode


class Comparison(NamedTuple):
    added: FieldSet = None
    modified: FieldSet = None
    removed: FieldSet = None

    def without(self, ignored: FieldSet) -> Comparison:
        if ignored is None:
            return self
        return Comparison(*[None if part is None else without_trees(part, ignored) for part in self])

    @property
    def changed(self) -> FieldSet:
        return union(self.modified, self.added)


_SAME = Comparison()
_MODIFIED = Comparison(modified=LEAF)


def compare(node: TypeNode, old: Any, new: Any) -> Comparison:
    """What `new` adds to, modifies in and removes from `old`; null is a value."""
    if old == new:
        return _SAME
    kind = node.kind if node.kind != "deduced" else "map" if _mergeable(old, new) else "any"
    if node.atomic or kind in ("scalar", "any") or not (old or new):
        return _MODIFIED
    found: tuple[Node, Node, Node] = ({}, {}, {})
    if kind == "map":
        _compare_maps(node, old or {}, new or {}, found)
    else:
        _compare_lists(node, old or [], new or [], found)
    added, modified, removed = found
    return Comparison(ordered(added) or None, ordered(modified) or None, ordered(removed) or None)


def _mergeable(old: Any, new: Any) -> bool:
    return isinstance(old, dict | None) and isinstance(new, dict | None)


def _compare_maps(node: TypeNode, old: dict[str, Any], new: dict[str, Any], found: tuple[Node, Node, Node]) -> None:
    for key, value in new.items():
        child = node.child(key)
        if child is None:
            continue
        if key in old:
            if old[key] is not value:
                _put(found, f"f:{key}", compare(child, old[key], value))
        else:
            found[0][f"f:{key}"] = everything(child, value)
    for key, value in old.items():
        if key not in new and (child := node.child(key)) is not None:
            found[2][f"f:{key}"] = everything(child, value)


def _put(found: tuple[Node, Node, Node], element: str, parts: Comparison) -> None:
    if parts is _SAME:
        return
    for part, node in zip(found, parts, strict=True):
        if node is not None:
            part[element] = node


def indexed(node: TypeNode, items: list[Any]) -> dict[str, list[Any]]:
    """Items by their path element; more than one where there are duplicates. Raises ElementError."""
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(node.item(item), []).append(item)
    return found


def _compare_lists(node: TypeNode, old: list[Any], new: list[Any], found: tuple[Node, Node, Node]) -> None:
    assert node.element is not None
    before, after = indexed(node, old), indexed(node, new)
    for element in {**before, **after}:
        left, right = before.get(element, []), after.get(element, [])
        if len(left) > 1 and len(right) > 1:
            if left != right:
                found[1][element] = LEAF
        elif len(left) > 1 or len(right) > 1:
            many, one, at = (left, right, 2) if len(left) > 1 else (right, left, 0)
            del many
            if one:
                found[2 - at][element] = everything(node.element, one[0])
            found[at][element] = LEAF
        elif not left:
            found[0][element] = everything(node.element, right[0])
        elif not right:
            found[2][element] = everything(node.element, left[0])
        else:
            _put(found, element, compare(node.element, left[0], right[0]))


def everything(node: TypeNode, value: Any) -> Node:
    """The paths that a new value brings: its own and all below."""
    if node.atomic or not value or node.kind in ("scalar", "any"):
        return LEAF
    out: Node = {SELF: LEAF}
    if isinstance(value, dict):
        known, element = node.known, node.element
        for key, member in value.items():
            entry = known.get(key)
            if entry is not None:
                name, inner = entry
                out[name] = everything(inner, member) if inner is not None and member else LEAF
            elif element is not None and not element.leaf:
                out["f:" + key] = everything(element, member)
            elif element is not None or node.kind == "deduced":
                out["f:" + key] = LEAF if element is not None else everything(node, member)
    elif node.kind == "list":
        assert node.element is not None
        for element_name, items in indexed(node, value).items():
            out[element_name] = everything(node.element, items[0]) if len(items) == 1 else LEAF
    else:
        return LEAF
    return ordered(out)


def fields_of(node: TypeNode, value: Any) -> FieldSet:
    """The paths that a configuration states: leaves, nulls, empty maps, items of lists and members of maps, but not
    the structs and maps on the way to them."""
    found = _stated(node, value)
    return None if found is None or not found else found


def _stated(node: TypeNode, value: Any) -> FieldSet:
    """The node below a path; LEAF if the path itself is stated, None if nothing is."""
    if node.leaf:
        return LEAF
    if node.kind == "deduced" and not isinstance(value, dict):
        return LEAF
    out: Node = {}
    if isinstance(value, dict):
        known = node.known
        for key, member in value.items():
            entry = known.get(key)
            if entry is None:
                child = node.child(key)
                if child is not None:
                    out["f:" + key] = LEAF if child.leaf else with_self(_stated(child, member))
            elif entry[1] is None or member is None or member == {}:
                out[entry[0]] = LEAF
            elif (inner := _stated(entry[1], member)) is not None:
                out[entry[0]] = inner
    elif isinstance(value, list):
        assert node.element is not None
        for element, items in indexed(node, value).items():
            out[element] = with_self(_stated(node.element, items[0])) if len(items) == 1 else LEAF
    return ordered(out) or None


def with_self(node: FieldSet) -> Node:
    """The node with its own path in the set."""
    if not node:
        return LEAF
    return node if SELF in node else {SELF: LEAF, **node}


def named_members(node: TypeNode | None, held: FieldSet) -> FieldSet:
    """The set with the paths of all struct fields that lead to others in it."""
    if not held or node is None:
        return held
    out: Node = {}
    for element, inner in held.items():
        if element == SELF or not inner:
            out[element] = inner
            continue
        name = element[2:] if element[0] == "f" else None
        child = node.child(name) if name is not None else node.element
        below = named_members(child, inner)
        named = name is not None and node.fields is not None and name in node.fields
        out[element] = with_self(below) if named else below
    return out
