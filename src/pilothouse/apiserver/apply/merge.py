"""Merging a configuration into a live tree, and removing a set of paths from a tree. Pure: inputs stay as they are,
results may share parts with them."""

from __future__ import annotations

from typing import Any

from pilothouse.apiserver.apply.compare import indexed
from pilothouse.apiserver.apply.fieldset import FieldSet, below, holds
from pilothouse.apiserver.apply.schema import ElementError, TypeNode


def merge(node: TypeNode, live: Any, config: Any) -> Any:
    """`live` with what `config` states. Where both are there and not granular, the configuration's value stays."""
    if node.leaf or not (live or config):
        return config
    if node.kind == "deduced":
        if not isinstance(live, dict | None) or not isinstance(config, dict | None):
            return config
        return _merge_maps(node, live or {}, config or {})
    if node.kind == "map":
        return _merge_maps(node, live or {}, config or {})
    return _merge_lists(node, live or [], config or [])


def _merge_maps(node: TypeNode, live: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    out = dict(live)
    known = node.known
    for key, value in config.items():
        entry = known.get(key)
        child = entry[1] if entry is not None else node.child(key)
        out[key] = merge(child, live[key], value) if child is not None and key in live else value
    return out


def _elements(node: TypeNode, items: list[Any]) -> list[str]:
    found = []
    for item in items:
        try:
            found.append(node.item(item))
        except ElementError:
            continue
    return found


def _merge_lists(node: TypeNode, live: list[Any], config: list[Any]) -> list[Any]:
    """Items of the configuration in its order; live items that it does not state stay between their neighbours."""
    assert node.element is not None
    left, right = _elements(node, live), _elements(node, config)
    if len(left) == len(live) == len(set(left)) and left == right:  # the same items in the same order
        return [merge(node.element, a, b) for a, b in zip(live, config, strict=True)]
    of_left, of_right = indexed(node, live), indexed(node, config)
    shared = [element for element in right if element in of_left]
    out: list[Any] = []
    done: set[str] = set()
    at = to = 0

    def take(element: str) -> None:
        held = of_left.get(element, [])
        value = of_right[element][0]
        out.append(merge(node.element, held[0], value) if len(held) == 1 and node.element is not None else value)
        done.add(element)
        if shared and shared[0] == element:
            shared.pop(0)

    while at < len(left) or to < len(right):
        if at < len(left) and to < len(right):
            if left[at] == right[to]:
                take(right[to])
                at, to = at + 1, to + 1
                continue
            if left[at] in of_right and shared and shared[0] != left[at]:
                at += 1
                continue
        if at < len(left):
            if left[at] not in of_right:
                out.append(live[at])
                at += 1
                continue
            if left[at] in done:
                at += 1
        if to < len(right):
            take(right[to])
            to += 1
    return out


def remove(node: TypeNode, value: Any, gone: FieldSet) -> Any:
    """The tree without the paths of the set. A container that loses everything becomes None."""
    if gone is None or node.leaf or not value:
        return value
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for key, member in value.items():
            element = f"f:{key}"
            if element not in gone:
                kept[key] = member
            elif not holds(gone, element):
                child = node.child(key)
                kept[key] = remove(child, member, below(gone, element)) if child is not None else member
        return kept or None
    if isinstance(value, list) and node.element is not None:
        return _remove_items(node, value, gone) or None
    return value


def _remove_items(node: TypeNode, items: list[Any], gone: FieldSet) -> list[Any]:
    assert node.element is not None
    kept = []
    for item in items:
        try:
            element = node.item(item)
        except ElementError:
            kept.append(item)
            continue
        if not holds(gone, element):
            kept.append(remove(node.element, item, below(gone, element)))
    return kept
