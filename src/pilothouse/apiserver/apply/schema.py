"""What server-side apply knows of types: which parts merge and which are owned whole. Made from shapes. Pure."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from pilothouse.api import scheme
from pilothouse.api.shapes import FieldShape, Shape, shape_of

# any: owned whole, whatever it holds. deduced: a map merges, all else is owned whole.
NodeKind = Literal["scalar", "any", "deduced", "map", "list"]
ScalarKind = Literal["string", "numeric", "boolean", "untyped"]


ABSENT = object()
_MOST_ELEMENTS = 1024
_PYTHON: dict[str, frozenset[type]] = {
    "string": frozenset((str, type(None))),
    "numeric": frozenset((int, float, type(None))),
    "boolean": frozenset((bool, type(None))),
    "untyped": frozenset((str, int, float, bool, type(None))),
}


class ElementError(ValueError):
    """An item that has no path element."""


class TypeNode:
    """A type. A struct is a map with `fields`; a map of values has `element`; an associative list has `keys`, or is a
    set if it has none. `defaults` are those of key fields."""

    __slots__ = ("_elements", "_fields", "_known", "_make_fields", "atomic", "defaults", "element", "keys", "kind",
                 "leaf", "python", "scalar")  # fmt: skip

    def __init__(
        self,
        kind: NodeKind,
        *,
        scalar: ScalarKind = "untyped",
        atomic: bool = False,
        element: TypeNode | None = None,
        keys: tuple[str, ...] = (),
        fields: Callable[[], dict[str, TypeNode]] | None = None,
    ) -> None:
        self.kind, self.scalar, self.atomic, self.element, self.keys = kind, scalar, atomic, element, keys
        self.defaults: dict[str, Any] = {}
        self._make_fields = fields
        self._fields: dict[str, TypeNode] | None = None
        self._known: dict[str, tuple[str, TypeNode | None]] | None = None
        self._elements: dict[Any, str] = {}
        self.leaf = atomic or kind in ("scalar", "any")
        """Owned whole."""
        self.python = _PYTHON[scalar] if kind == "scalar" else frozenset()
        """The Python types that a scalar surely allows."""

    @property
    def fields(self) -> dict[str, TypeNode] | None:
        """The fields of a struct by JSON name; None for a map of values."""
        if self._fields is None and self._make_fields is not None:
            self._fields = self._make_fields()
        return self._fields

    @property
    def known(self) -> dict[str, tuple[str, TypeNode | None]]:
        """Of each field of a struct: its path element, and its type, None for a leaf. Empty for others."""
        if self._known is None:
            fields = self.fields or {}
            self._known = {name: (f"f:{name}", None if node.leaf else node) for name, node in fields.items()}
        return self._known

    def child(self, key: str) -> TypeNode | None:
        """The type of a member; None if the type has no such member."""
        fields = self.fields
        if fields is not None and key in fields:
            return fields[key]
        return self if self.kind == "deduced" else self.element

    def item(self, value: Any) -> str:
        """The path element of an item of an associative list. Raises ElementError."""
        if not self.keys:
            if isinstance(value, dict | list):
                kind = "map" if isinstance(value, dict) else "list"
                raise ElementError(f"associative list without keys has an element that's a {kind} type")
            return "v:" + _encoded(value)
        if value is None:
            raise ElementError("associative list with keys may not have a null element")
        if not isinstance(value, dict):
            raise ElementError("associative list with keys may not have non-map elements")
        if len(self.keys) == 1 and type(named := value.get(self.keys[0])) is str:
            return self._elements.get(named) or self._remember(named)
        found = {
            key: held for key in self.keys if (held := value.get(key, self.defaults.get(key, ABSENT))) is not ABSENT
        }
        if not found:
            keys = " ".join(f'"{key}"' for key in self.keys)
            raise ElementError(
                f"associative list with keys has an element that omits all key fields [{keys}] (and doesn't have "
                "default values for any key fields)"
            )
        return "k:" + _encoded(found)

    def _remember(self, value: str) -> str:
        """The path element of an item whose one key is `value`; lists of many objects have the same few."""
        if len(self._elements) > _MOST_ELEMENTS:
            self._elements.clear()
        found = self._elements[value] = "k:" + _encoded({self.keys[0]: value})
        return found


def _encoded(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return msgspec.json.encode(value).decode()


ANY = TypeNode("any", atomic=True)
_SCALARS: dict[str, TypeNode] = {
    "string": TypeNode("scalar", scalar="string"),
    "bytes": TypeNode("scalar", scalar="string"),
    "duration": TypeNode("scalar", scalar="string"),
    "bool": TypeNode("scalar", scalar="boolean"),
    "int": TypeNode("scalar", scalar="numeric"),
    "float": TypeNode("scalar", scalar="numeric"),
    "time": TypeNode("scalar"),
    "micro_time": TypeNode("scalar"),
    "quantity": TypeNode("scalar"),
    "int_or_string": TypeNode("scalar"),
    "raw": ANY,
}


def _node_of(kind: Any) -> TypeNode:
    """The type of a generated Struct."""
    return _struct(shape_of(kind), "")


node_of: Callable[[Any], TypeNode] = functools.cache(_node_of)


def _atomic(struct: Any) -> bool:
    return scheme.facts_of(struct).atomic


def _make_struct(shape: Shape, map_type: str) -> TypeNode:
    struct = shape.struct
    assert struct is not None
    atomic = map_type == "atomic" or (map_type != "granular" and _atomic(struct))
    return TypeNode("map", atomic=atomic, fields=lambda: {name: _field(field) for name, field in shape.fields.items()})


_struct: Callable[[Shape, str], TypeNode] = functools.cache(_make_struct)


def _field(field: FieldShape) -> TypeNode:
    return _of_shape(field.shape, field)


def _of_shape(shape: Shape, field: FieldShape | None) -> TypeNode:
    if shape.kind == "struct":
        return _struct(shape_of(shape.struct), field.fact.map_type if field is not None else "")
    if shape.kind == "map":
        assert shape.element is not None
        atomic = field is not None and field.fact.map_type == "atomic"
        return TypeNode("map", atomic=atomic, element=_of_shape(shape.element, None))
    if shape.kind == "list":
        assert shape.element is not None
        element = _of_shape(shape.element, None)
        kind = field.fact.list_type if field is not None else ""
        if kind not in ("set", "map"):
            return TypeNode("list", atomic=True, element=element)
        assert field is not None
        keys = tuple(sorted(field.fact.list_map_keys)) if kind == "map" else ()
        node = TypeNode("list", element=element, keys=keys)
        node.defaults = {key: value for key in keys if (value := _default(shape.element.fields[key])) is not None}
        return node
    return _SCALARS[shape.kind]


def _default(field: FieldShape) -> Any:
    """The value a key has when it is left out: that of the facts, or zero where Go always writes one."""
    if field.fact.default:
        return json.loads(field.fact.default)
    if field.fact.omit_empty or field.shape.nullable:
        return None
    return 0 if field.shape.kind == "int" else False if field.shape.kind == "bool" else ""
