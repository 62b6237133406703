"""Objects of custom resources: identity and metadata are typed, all the rest is a JSON tree.

Each served version has a subclass of its own, made by `type_of`, whose kind and apiVersion are the defaults; so a
custom resource's type names its kind as a generated Struct's does. Frozen as all objects: nobody changes a tree in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct, field

from pilothouse.api.scalars import OBJECT_OPTIONS
from pilothouse.api.types.meta.v1 import ObjectMeta

C = TypeVar("C", bound="CustomObject")
_IDENTITY = ("kind", "apiVersion", "metadata")
_encode = msgspec.json.Encoder().encode


class CustomObject(Struct, **OBJECT_OPTIONS):
    """`body` holds the members of the object beside kind, apiVersion and metadata."""

    kind: str = ""
    api_version: str = field(default="", name="apiVersion")
    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    body: Mapping[str, Any] = field(default_factory=dict)


def type_of(kind: str, api_version: str) -> type[CustomObject]:
    """A type for the objects of one version of a custom resource."""
    fields = [("kind", str, kind), ("api_version", str, field(default=api_version, name="apiVersion"))]
    made = msgspec.defstruct("Custom", fields, bases=(CustomObject,), **OBJECT_OPTIONS)
    return cast("type[CustomObject]", made)


def encode(obj: CustomObject) -> bytes:
    """The JSON of an object: kind, apiVersion and metadata first."""
    head = b'{"kind":%b,"apiVersion":%b,"metadata":%b' % (
        _encode(obj.kind),
        _encode(obj.api_version),
        _encode(obj.metadata),
    )
    return head + b"," + _encode(obj.body)[1:] if obj.body else head + b"}"


def tree_of(obj: CustomObject) -> dict[str, Any]:
    """The JSON tree of an object; it shares the parts of its body."""
    identity = {"kind": obj.kind, "apiVersion": obj.api_version, "metadata": msgspec.to_builtins(obj.metadata)}
    return {**identity, **obj.body}


def of_tree(tree: Mapping[str, Any], kind: type[C]) -> C:
    """The object of a JSON tree, whose parts it shares. Raises msgspec.ValidationError for metadata that is none."""
    body = {name: value for name, value in tree.items() if name not in _IDENTITY}
    metadata = msgspec.convert(tree.get("metadata") or {}, ObjectMeta)
    sample = kind()
    return kind(
        kind=tree.get("kind", sample.kind),
        api_version=tree.get("apiVersion", sample.api_version),
        metadata=metadata,
        body=body,
    )
