"""From a tree to the normalized tree of a type by the rules of upstream's unstructured converter, which strategic
merge patches and server-side apply use: stricter than JSON decoding, with errors of its own. Pure."""

from __future__ import annotations

from typing import Any

from pilothouse.api.codec import base64 as go_base64
from pilothouse.api.codec.go_json import kind_of
from pilothouse.api.codec.walk import ABSENT, DecodeError, Walk
from pilothouse.api.shapes import Shape, shape_of
from pilothouse.apiserver.patch.values import go_type

_GO_KINDS = {"object": "map", "array": "slice", "bool": "bool", "string": "string"}


def convert(tree: dict[str, Any], kind: type[Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(normalized tree, unknown fields as problems). Raises DecodeError with the converter's text."""
    walk = _Unstructured()
    found = walk.value(tree, shape_of(kind), ABSENT)
    return found, tuple(walk.problems)


class _Unstructured(Walk):
    def mismatch(self, value: str, go: str) -> str:
        return f"json: cannot unmarshal {value} into Go value of type {go}"

    def wrong(self, value: str, shape: Shape, prior: Any) -> Any:
        """Each wrong type ends the conversion."""
        node = self.node
        if shape.kind == "struct":
            raise DecodeError(f"cannot restore struct from: {_kind(node)}")
        if shape.kind in ("list", "bytes"):
            raise DecodeError(f"cannot restore slice from {_kind(node)}")
        if shape.kind == "map":
            raise DecodeError(f"cannot restore map from {_kind(node)}")
        convertible = kind_of(node) == "number" and (
            shape.kind in ("int", "float") or (shape.kind == "string" and not isinstance(node, float))
        )
        if convertible:
            raise DecodeError(f"cannot convert {go_type(node)} to {shape.go}")
        basic = shape.go if shape.kind == "int" else {"float": "float64"}.get(shape.kind, shape.kind)
        raise DecodeError(f"unrecognized type: {basic}")

    def value(self, node: Any, shape: Shape, prior: Any) -> Any:
        self.node = node
        if node is None:
            return ABSENT
        return self.readers[shape.kind](node, shape, prior)

    def integer(self, node: Any, shape: Shape, prior: Any) -> Any:
        if isinstance(node, float) and node == int(node):
            node = int(node)
        if isinstance(node, bool) or not isinstance(node, int):
            return self.wrong("", shape, prior)
        bits = shape.bits
        return (node + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1)) if bits > 8 else node & 255

    def bytes(self, node: Any, shape: Shape, prior: Any) -> Any:
        if not isinstance(node, str):
            return super().bytes(node, shape, prior)
        try:
            go_base64.decode(node)
        except go_base64.Base64Error as error:
            raise DecodeError(f"error decoding from json: {error}") from None
        return super().bytes(node, shape, prior)


def _kind(node: Any) -> str:
    return _GO_KINDS.get(kind_of(node), go_type(node))
