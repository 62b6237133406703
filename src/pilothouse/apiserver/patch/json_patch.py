"""JSON patch (RFC 6902) with the ways of the library that the API server uses. Pure.

Its ways, where they differ from the RFC: a path's first segment is dropped whatever it is (`data/x` is `/x`);
`replace` and `copy` take an absent member for null; negative indexes count from the end; `test` holds an absent member
equal to null.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pilothouse.apiserver.patch.values import copied, same

MOST_OPERATIONS = 10_000
MOST_COPIED = 3 * 1024 * 1024
"""Bytes of JSON that all `copy` operations of a patch may make: else a few of them double a document for ever."""


class JSONPatchError(ValueError):
    """An operation that cannot be done. Clients hear nothing of why, so this is for the log."""


def apply(document: dict[str, Any], operations: list[dict[str, Any]]) -> Any:
    """The document after all operations; `document` itself is changed. Raises JSONPatchError."""
    holder = {"": document}
    copied_bytes = 0
    for operation in operations:
        name, path = operation.get("op"), operation.get("path")
        if not isinstance(path, str):
            raise JSONPatchError(f"{name} operation failed to decode path")
        if name == "replace" and path == "":
            holder[""] = _root(operation.get("value"))
        elif name == "copy":
            copied_bytes += _copy(holder[""], operation.get("from"), path, MOST_COPIED - copied_bytes)
        elif name == "move":
            _move(holder[""], operation.get("from"), path)
        else:
            _plain(holder[""], str(name), path, operation.get("value"))
    return holder[""]


def _root(value: Any) -> Any:
    if not isinstance(value, dict | list):
        raise JSONPatchError("replace operation hit impossible case")
    return copied(value)


def _find(document: Any, path: str, name: str) -> tuple[Any, str]:
    """(the container that the last segment is in, that segment)."""
    if name == "test" and path == "":
        return {"": document}, ""
    segments = [s.replace("~1", "/").replace("~0", "~") for s in path.split("/")]
    if len(segments) < 2:
        raise JSONPatchError(f"{name} operation does not apply: doc is missing path: {path}")
    for segment in segments[1:-1]:
        try:
            document = _get(document, segment)
        except JSONPatchError:
            document = None
        if not isinstance(document, dict | list):
            raise JSONPatchError(f"{name} operation does not apply: doc is missing path: {path}")
    return document, segments[-1]


def _index(key: str, size: int) -> int:
    """The place that `key` names among `size`; negative ones count from the end."""
    try:
        at = int(key) if key.lstrip("+-").isascii() and key.lstrip("+-").isdigit() else None
    except ValueError:
        at = None
    if at is None or not -size <= at < size:
        raise JSONPatchError(f"Unable to access invalid index: {key}")
    return at + size if at < 0 else at


def _get(held: Any, key: str) -> Any:
    return held.get(key) if isinstance(held, dict) else held[_index(key, len(held))]


def _add(held: Any, key: str, value: Any) -> None:
    if isinstance(held, dict):
        held[key] = value
    elif key == "-":
        held.append(value)
    else:
        held.insert(_index(key, len(held) + 1), value)


def _remove(held: Any, key: str) -> None:
    if isinstance(held, list):
        del held[_index(key, len(held))]
    elif key in held:
        del held[key]
    else:
        raise JSONPatchError(f"Unable to remove nonexistent key: {key}")


def _plain(document: Any, name: str, path: str, value: Any) -> None:
    if name not in ("add", "remove", "replace", "test"):
        raise JSONPatchError(f"Unexpected kind: {name}")
    held, key = _find(document, path, name)
    if name == "add":
        _add(held, key, copied(value))
    elif name == "remove":
        _remove(held, key)
    elif name == "replace":
        held[key if isinstance(held, dict) else _index(key, len(held))] = copied(value)
    elif not same(_get(held, key), value):
        raise JSONPatchError(f"testing value {path} failed")


def _source(document: Any, name: str, source: Any) -> tuple[Any, str]:
    if not isinstance(source, str):
        raise JSONPatchError(f"{name} operation failed to decode from")
    return _find(document, source, name)


def _move(document: Any, source: Any, path: str) -> None:
    held, key = _source(document, "move", source)
    value = _get(held, key)
    _remove(held, key)
    held, key = _find(document, path, "move")
    _add(held, key, copied(value))


def _copy(document: Any, source: Any, path: str, allowed: int) -> int:
    """The bytes of what was copied, which are at most `allowed`."""
    held, key = _source(document, "copy", source)
    value = _get(held, key)
    held, key = _find(document, path, "copy")
    size = len(msgspec.json.encode(value))
    if size > allowed:
        raise JSONPatchError(f"Unable to complete the copy, the accumulated size increase exceeds {MOST_COPIED}")
    _add(held, key, copied(value))
    return size
