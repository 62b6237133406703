"""The two ends of an apply: the YAML of a client to a configuration, the merged tree to a typed object. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from pilothouse.api import errors
from pilothouse.api.codec import go_json, strict, yaml
from pilothouse.api.codec.json import from_builtins
from pilothouse.api.codec.walk import DecodeError
from pilothouse.apiserver.apply.schema import TypeNode
from pilothouse.apiserver.apply.validate import ConfigurationError, check
from pilothouse.apiserver.patch import unstructured

T = TypeVar("T")


def configuration(body: bytes, field_validation: str = "Warn") -> tuple[dict[str, Any], tuple[str, ...]]:
    """(configuration, warnings about duplicate keys) of an apply's body. Raises StatusError 400."""
    plain = strict.plain_object(body)  # most clients write JSON
    if plain is not None:
        return plain, ()
    try:
        node, duplicates = yaml.load(body)
    except yaml.YAMLError as error:
        raise errors.bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    try:
        tree = go_json.plain(node)
    except go_json.JSONSyntaxError as error:
        told = f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {error}"
        raise errors.bad_request(told) from None
    if tree is not None and not isinstance(tree, dict):
        raise errors.bad_request(
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
            f"{go_json.kind_of(tree)} into Go value of type map[string]interface {{}}"
        )
    if duplicates and field_validation == "Strict":
        (told,) = yaml.duplicates_told(duplicates)
        raise errors.bad_request(f"error strict decoding YAML: error converting YAML to JSON: {told}")
    return tree or {}, duplicates if field_validation == "Warn" else ()


def typed(tree: dict[str, Any], kind: type[T]) -> T:
    """The object of a merged tree. Raises StatusError 500 where a value does not fit its field."""
    name, api_version = strict.identity(kind)
    try:
        return from_builtins(tree, kind)
    except (msgspec.ValidationError, ValueError, TypeError):
        pass  # nulls, unknown members and what does not fit: the exact way
    try:
        normal, _ = unstructured.convert(tree, kind)
    except DecodeError as error:
        version = f"{object_text(tree, api_version, name).partition('; ')[2]}"
        message = (
            f"failed to convert new object ({object_text(tree, api_version, name)}) to proper version: "
            f"unable to convert unstructured object to {version}: {error}"
        )
        raise errors.make(HTTPStatus.INTERNAL_SERVER_ERROR, "", message) from None
    return from_builtins({**normal, "kind": name, "apiVersion": api_version}, kind)


def object_text(tree: dict[str, Any], api_version: str, kind: str) -> str:
    """An object as the errors of apply name it: `namespace/name; group/version, Kind=kind`."""
    metadata = tree.get("metadata")
    held = metadata if isinstance(metadata, dict) else {}
    slash = "" if "/" in api_version else "/"
    return f"{held.get('namespace') or ''}/{held.get('name') or ''}; {slash}{api_version}, Kind={kind}"


def check_kind(config: dict[str, Any], api_version: str, kind: str) -> None:
    """Raises StatusError 400 if a configuration is of another kind or version, or says who manages what."""
    said = tuple(text if isinstance(text := config.get(key), str) else "" for key in ("apiVersion", "kind"))
    if said != (api_version, kind):
        raise errors.bad_request(f"invalid object type: {'' if '/' in said[0] else '/'}{said[0]}, Kind={said[1]}")
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")


def check_type(node: TypeNode, config: dict[str, Any], api_version: str, kind: str) -> None:
    """Raises StatusError 500 if a configuration is not of its type."""
    try:
        check(node, config)
    except ConfigurationError as error:
        message = f"failed to create typed patch object ({object_text(config, api_version, kind)}): {error}"
        raise errors.make(HTTPStatus.INTERNAL_SERVER_ERROR, "", message) from None
