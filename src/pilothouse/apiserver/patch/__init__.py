"""PATCH: a stored object, a patch document and a type to the patched object, with upstream's errors. Pure.

Server-side apply lives in `pilothouse.apiserver.apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from pilothouse.api import errors
from pilothouse.api.codec import go_json, strict, walk
from pilothouse.api.codec.json import from_builtins
from pilothouse.api.codec.strict import Decoded
from pilothouse.api.shapes import members_of
from pilothouse.api.types.meta.v1 import StatusCause, StatusDetails
from pilothouse.apiserver.patch import json_patch, merge_patch, strategic, unstructured
from pilothouse.apiserver.patch.values import go_text

T = TypeVar("T")

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_YAML = "application/apply-patch+yaml"
MEDIA_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_YAML)
_OPERATION = {"op", "from", "path", "value"}


def apply_patch(media_type: str, body: bytes, live: bytes, kind: type[T], field_validation: str = "Warn") -> Decoded[T]:
    """Patch the object whose JSON (in the version of `kind`) is `live`. The problems of the answer are warnings under
    `Warn`; under `Strict` they are an error. Raises StatusError."""
    try:
        found = _PATCHERS[media_type](body, msgspec.json.decode(live), kind, field_validation)
    except RecursionError:  # nested far deeper than any object is
        raise _unprocessable() from None
    return found if field_validation == "Warn" else Decoded(found.obj, found.tree)


def members_named(media_type: str, body: bytes, kind: Any) -> Sequence[str] | None:
    """The attributes that a merging patch is about: it reads and writes nothing else of the object. None if it is about
    more than attributes, or not plainly readable."""
    patch = strict.plain_object(body) if media_type != JSON_PATCH else None
    members = members_of(kind)
    if patch is None or not all(key in members for key in patch):
        return None
    return [members[key] for key in patch]


def patch_tree(
    media_type: str, body: bytes, live: dict[str, Any], field_validation: str = "Warn"
) -> tuple[Any, tuple[str, ...]]:
    """(patched tree, problems of the patch itself) for objects without a type; `live` is changed. Strategic merge
    patches need a type. Raises StatusError."""
    looks = field_validation != "Ignore"
    if media_type == JSON_PATCH:
        operations, problems = _operations(body, looks)
        return _patched_by_operations(live, operations), problems
    if looks:
        patch, problems = _object(body, "error decoding patch: ")
    else:
        patch, problems = _unseen(body), ()
    return merge_patch.apply(live, patch), problems


def _by_tree(media_type: str) -> Callable[[bytes, dict[str, Any], Any, str], Decoded[Any]]:
    def patcher(body: bytes, live: dict[str, Any], kind: Any, field_validation: str) -> Decoded[Any]:
        tree, problems = patch_tree(media_type, body, live, field_validation)
        if isinstance(tree, dict) and not tree.get("apiVersion"):
            return _judged(_of_no_version(tree, kind), problems, lambda: text(tree), field_validation)
        try:
            found = strict.decode_tree(tree, kind)
            _same_kind(tree, kind)
        except walk.DecodeError as error:
            raise invalid(text(tree), str(error)) from None
        return _judged(found, problems, lambda: text(tree), field_validation)

    return patcher


def _by_strategy(body: bytes, live: dict[str, Any], kind: Any, field_validation: str) -> Decoded[Any]:
    patch, problems = _object(body, "")
    if patch is None:
        patch = {}
    try:
        tree = strategic.apply(live, patch, kind)
        obj, normal, unknown = _converted(tree, kind)
    except strategic.StrategicError as error:
        if error.code == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise _unprocessable() from None
        raise errors.make(error.code, "BadRequest" if error.code == 400 else "", str(error)) from None
    except walk.DecodeError as error:
        raise invalid(go_text(patch), str(error)) from None
    return _judged(Decoded(obj, normal, unknown), problems, lambda: go_text(patch), field_validation)


def _converted(tree: dict[str, Any], kind: Any) -> tuple[Any, dict[str, Any], tuple[str, ...]]:
    """(object, its tree, problems) of a merged tree, whatever kind it says it is. Raises DecodeError."""
    name, api_version = strict.identity(kind)
    named = {**tree, "kind": name, "apiVersion": api_version}
    try:
        return from_builtins(named, kind), named, ()
    except (msgspec.ValidationError, ValueError, TypeError):
        pass  # nulls, unknown members and what does not fit: the exact way
    normal, unknown = unstructured.convert(tree, kind)
    return from_builtins({**normal, "kind": name, "apiVersion": api_version}, kind), normal, unknown


_PATCHERS: dict[str, Callable[[bytes, dict[str, Any], Any, str], Decoded[Any]]] = {
    JSON_PATCH: _by_tree(JSON_PATCH),
    MERGE_PATCH: _by_tree(MERGE_PATCH),
    STRATEGIC_MERGE_PATCH: _by_strategy,
}


def _of_no_version(tree: dict[str, Any], kind: Any) -> Decoded[Any]:
    """A patched object without an apiVersion: upstream reads it as its internal type, which knows none of the names."""
    unknown = tuple(f'unknown field "{key}"' for key in sorted(tree) if key not in ("apiVersion", "kind"))
    return Decoded(kind(), {}, unknown)


def _judged(
    found: Decoded[Any], problems: tuple[str, ...], shown: Callable[[], str], field_validation: str
) -> Decoded[Any]:
    """`found`, with the problems of the patch before its own."""
    problems = (*problems, *found.problems)
    if problems and field_validation == "Strict":
        raise invalid(shown(), walk.told(problems))
    return Decoded(found.obj, found.tree, problems)


def text(tree: Any) -> str:
    return msgspec.json.encode(tree).decode()


def _same_kind(tree: dict[str, Any], kind: type[Any]) -> None:
    name, api_version = strict.identity(kind)
    said = tree.get("kind") or name, tree.get("apiVersion") or api_version
    if said != (name, api_version):
        raise walk.DecodeError(
            f'no kind "{said[0]}" is registered for version "{said[1]}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )


def _object(body: bytes, prefix: str) -> tuple[Any, tuple[str, ...]]:
    """The object that a merging patch must be. `null` is one to Go's decoder, but not to a merge patch."""
    try:
        patch, problems = strict.decode_plain(body)
    except go_json.JSONSyntaxError as error:
        raise errors.bad_request(f"{prefix}{error}") from None
    if patch is None and prefix:
        raise errors.bad_request("Invalid JSON Patch")
    if patch is not None and not isinstance(patch, dict):
        raise errors.bad_request(
            f"{prefix}json: cannot unmarshal {go_json.kind_of(patch)} into Go value of type map[string]interface {{}}"
        )
    return patch, problems


def _unseen(body: bytes) -> dict[str, Any]:
    """A merge patch that nobody looked into before it was applied: one text for all that it cannot be."""
    try:
        patch, _ = strict.decode_plain(body)
    except go_json.JSONSyntaxError:
        patch = None
    if not isinstance(patch, dict):
        raise errors.bad_request("Invalid JSON Patch")
    return patch


def _operations(body: bytes, looks: bool) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """`looks`: into the operations before they are applied, with the words of that look."""
    prefix = "error decoding patch: " if looks else ""
    try:
        operations, problems = strict.decode_plain(body)
    except go_json.JSONSyntaxError as error:
        raise errors.bad_request(f"{prefix}{error}") from None
    if operations is None:
        return [], ()
    if not isinstance(operations, list):
        raise _not_of(prefix, "[]handlers.jsonPatchOp" if looks else "jsonpatch.Patch", operations)
    # null is a zero operation to Go
    operations = [{} if operation is None else operation for operation in operations]
    told = list(problems)
    for at, operation in enumerate(operations):
        if not isinstance(operation, dict):
            raise _not_of(prefix, "handlers.jsonPatchOp" if looks else "jsonpatch.Operation", operation)
        if looks:
            _check_types(operation)
        told += [f'unknown field "[{at}].{key}"' for key in operation if key not in _OPERATION]
    if len(operations) > json_patch.MOST_OPERATIONS:
        raise errors.make(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "RequestEntityTooLarge",
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{json_patch.MOST_OPERATIONS}, got {len(operations)}",
        )
    return operations, tuple(f"json patch {problem}" for problem in told)


def _check_types(operation: dict[str, Any]) -> None:
    for key, value in operation.items():
        if key in ("op", "from", "path") and value is not None and not isinstance(value, str):
            raise errors.bad_request(
                f"error decoding patch: json: cannot unmarshal {go_json.kind_of(value)} into Go struct field "
                f"jsonPatchOp.{key} of type string"
            )


def _not_of(prefix: str, go: str, value: Any) -> errors.StatusError:
    return errors.bad_request(f"{prefix}json: cannot unmarshal {go_json.kind_of(value)} into Go value of type {go}")


def _patched_by_operations(live: dict[str, Any], operations: list[dict[str, Any]]) -> Any:
    try:
        return json_patch.apply(live, operations)
    except json_patch.JSONPatchError:
        raise _unprocessable() from None


def _unprocessable() -> errors.StatusError:
    message = "the server rejected our request due to an error in our request"
    return errors.make(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message, StatusDetails())


def invalid(shown: str, why: str) -> errors.StatusError:
    quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
    message = f'Invalid value: "{quoted}": {why}'
    cause = StatusCause(reason="FieldValueInvalid", field_="patch", message=message)
    details = StatusDetails(causes=(cause,))
    return errors.make(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", f' "" is invalid: patch: {message}', details)
