"""What server-side apply knows of a custom resource: its schema as type nodes. Pure."""

from __future__ import annotations

from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.apply.schema import ScalarKind, TypeNode, node_of
from pilothouse.kinds.schema.structural import MISSING, Schema

_SCALARS: dict[str, ScalarKind] = {"string": "string", "integer": "numeric", "number": "numeric", "boolean": "boolean"}
_UNTYPED = TypeNode("scalar")
_STRING = TypeNode("scalar", scalar="string")
_DEDUCED = TypeNode("deduced")


def root(schema: Schema) -> TypeNode:
    """The type of the objects of a schema."""
    return _map(schema, resource=True)


def _node(schema: Schema | None) -> TypeNode:
    if schema is None:
        return _DEDUCED
    if schema.int_or_string:
        return _UNTYPED
    if schema.type in _SCALARS:
        return TypeNode("scalar", scalar=_SCALARS[schema.type])
    if schema.type == "array":
        return _list(schema)
    if schema.type == "object":
        return _map(schema, schema.embedded)
    return _DEDUCED


def _map(schema: Schema, resource: bool) -> TypeNode:
    fields = {name: _node(inner) for name, inner in schema.properties.items()}
    if resource:
        fields |= {"apiVersion": _STRING, "kind": _STRING, "metadata": node_of(ObjectMeta)}
    element = _node(schema.additional) if schema.additional is not None else None
    if element is None and (schema.preserve or schema.open or not fields):
        element = _DEDUCED
    atomic = schema.map_type == "atomic"
    return TypeNode("map", atomic=atomic, element=element, fields=(lambda: fields) if fields else None)


def _list(schema: Schema) -> TypeNode:
    element = _node(schema.items)
    if schema.list_type not in ("set", "map") or schema.items is None:
        return TypeNode("list", atomic=True, element=element)
    keys = tuple(sorted(schema.map_keys)) if schema.list_type == "map" else ()
    node = TypeNode("list", element=element, keys=keys)
    properties = schema.items.properties
    node.defaults = {
        key: properties[key].default for key in keys if key in properties and properties[key].default is not MISSING
    }
    return node
