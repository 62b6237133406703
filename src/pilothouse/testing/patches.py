"""Patches for the fake client: what tests need of JSON, merge and strategic merge patches, on JSON trees."""

from __future__ import annotations

import copy
import functools
from typing import Any

from pilothouse.api import errors, scheme
from pilothouse.machinery.client.interface import JSONPatch, Patch, StrategicMergePatch


def apply(kind: type[Any], tree: dict[str, Any], patch: Patch) -> dict[str, Any]:
    """`tree` with the patch applied; apply patches count as merge patches."""
    if isinstance(patch, JSONPatch):
        return functools.reduce(_operate, patch.operations, copy.deepcopy(tree))
    found = strategic(tree, patch.body, kind) if isinstance(patch, StrategicMergePatch) else merge(tree, patch.body)
    assert isinstance(found, dict)
    return found


def merge(tree: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    found = dict(tree) if isinstance(tree, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merge(found.get(name), value)
    return found


def strategic(tree: Any, patch: Any, kind: type[Any] | None) -> Any:
    """Merge by the types' patch strategies; of the directives, `$patch: delete` and `replace` are known."""
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    found = dict(tree) if isinstance(tree, dict) else {}
    facts = scheme.fields_of(kind) if kind is not None else {}  # type: ignore[arg-type]  # a type is hashable
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        fact = facts.get(name)
        inner = _element(kind, fact.go_type) if kind is not None and fact is not None else None
        if value is None:
            found.pop(name, None)
        elif isinstance(value, list) and fact is not None and "merge" in fact.patch_strategy:
            found[name] = _merged_list(found.get(name) or [], value, fact.patch_merge_key, inner)
        else:
            found[name] = strategic(found.get(name), value, inner)
    return found


def _merged_list(held: list[Any], patch: list[Any], key: str, inner: type[Any] | None) -> list[Any]:
    if not key:
        return [*held, *(item for item in patch if item not in held)]
    found = list(held)
    for item in patch:
        at = next((i for i, other in enumerate(found) if other.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            found = [other for other in found if other.get(key) != item.get(key)]
        elif at is None:
            found.append(item)
        else:
            found[at] = strategic(found[at], item, inner)
    return found


def _element(kind: type[Any], go_type: str) -> type[Any] | None:
    name = go_type.lstrip("*[]")
    package, _, short = name.rpartition(".")
    module = kind.__module__ if not package else None
    if package == "metav1":
        module = "pilothouse.api.types.meta.v1"
    if module is None:
        return None
    import importlib

    found = getattr(importlib.import_module(module), short, None)
    return (
        found if isinstance(found, type) and issubclass(found, object) and hasattr(found, "__struct_fields__") else None
    )


def _operate(tree: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    parts = [p.replace("~1", "/").replace("~0", "~") for p in operation["path"].split("/")[1:]]
    parent: Any = tree
    for part in parts[:-1]:
        parent = parent[int(part)] if isinstance(parent, list) else parent.get(part)
        if parent is None:
            raise errors.make(422, "Invalid", "the server rejected our request due to an error in our request")
    last: Any = parts[-1]
    if isinstance(parent, list):
        last = len(parent) if last == "-" else int(last)
    match operation["op"]:
        case "test":
            held = parent[last] if isinstance(parent, list) else parent.get(last)
            if held != operation.get("value"):
                raise errors.make(422, "Invalid", "the server rejected our request due to an error in our request")
        case "remove":
            del parent[last]
        case "add" if isinstance(parent, list):
            parent.insert(last, operation.get("value"))
        case _:
            parent[last] = operation.get("value")
    return tree
