"""The exact decode: a JSON tree against the shape of a type, with Go's errors and the API's strict problems. Pure.

The result is a tree that holds what Go's decoder would have kept, in canonical scalars; unknown members are left out.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from pilothouse.api.codec import base64 as go_base64
from pilothouse.api.codec.go_json import Number, Pairs, kind_of, number, plain
from pilothouse.api.quantity import QuantityError
from pilothouse.api.quantity import parse as parse_quantity
from pilothouse.api.shapes import FieldShape, Shape, shape_of
from pilothouse.api.time import TimeError, canonical_micro_time, canonical_time

MOST_PROBLEMS = 100
_RANGES = {8: (0, 255), 32: (-(2**31), 2**31 - 1), 64: (-(2**63), 2**63 - 1)}


class DecodeError(ValueError):
    """A body that is JSON but not of the type; the message is that of Go's decoder."""


class _Absent:
    """Stands for a value that leaves the field as it was: zero."""


ABSENT: Final = _Absent()


def decode(node: Any, kind: type[Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(normalized tree, strict problems in the order of the document) of an object. Raises DecodeError."""
    walk = Walk()
    shape = shape_of(kind)
    found = walk.value(node, shape, ABSENT)
    if walk.fault is not None:
        raise DecodeError(walk.fault)
    return ({} if found is ABSENT else found), tuple(walk.problems)


class Walk:
    """The state of one decode: where it is, the first type error, the problems so far."""

    def __init__(self) -> None:
        self.struct = ""
        self.around = ""
        """The type that the document is part of, if that tells of its faults."""
        self.names: list[str] = []
        self.path = ""
        self.node: Any = None
        self.fault: str | None = None
        self.problems: dict[str, None] = {}
        self.readers: dict[str, Callable[[Any, Shape, Any], Any]] = {
            "string": self.string,
            "bool": self.boolean,
            "int": self.integer,
            "float": self.floating,
            "bytes": self.bytes,
            "time": self.time,
            "micro_time": self.time,
            "duration": self.duration,
            "quantity": self.quantity,
            "int_or_string": self.int_or_string,
            "raw": self.raw,
            "list": self.list,
            "map": self.map,
            "struct": self.object,
        }

    def value(self, node: Any, shape: Shape, prior: Any) -> Any:
        """The normalized value; `prior` is what an earlier member of the same name left."""
        if node is None:
            keeps = shape.kind in ("string", "bool", "int", "float", "struct") and not shape.nullable
            return prior if keeps else ABSENT
        return self.readers[shape.kind](node, shape, prior)

    def mismatch(self, value: str, go: str) -> str:
        if self.struct or self.names:
            return (
                f"json: cannot unmarshal {value} into Go struct field {self.around or self.struct}."
                f"{'.'.join(self.names)} of type {go}"
            )
        return f"json: cannot unmarshal {value} into Go value of type {go}"

    def wrong(self, value: str, shape: Shape, prior: Any) -> Any:
        """Go remembers the first wrong type and reads on."""
        if self.fault is None:
            self.fault = self.mismatch(value, shape.go)
        return prior

    def problem(self, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems[text] = None

    def object(self, node: Any, shape: Shape, prior: Any) -> Any:
        if not isinstance(node, Pairs | dict):
            return self.wrong(kind_of(node), shape, prior)
        fields = shape.fields
        out: dict[str, Any] = dict(prior) if isinstance(prior, dict) else {}
        seen: set[str] = set()
        outer, names, path = self.struct, self.names, self.path
        dotted = f"{path}." if path else ""
        struct = shape.struct.__name__ if shape.struct is not None else ""
        for key, member in node if isinstance(node, Pairs) else node.items():
            field = fields.get(key)
            if field is None:
                self.problem(f'unknown field "{dotted}{key}"')
                continue
            if key in seen:
                self.problem(f'duplicate field "{dotted}{key}"')
            seen.add(key)
            self.struct, self.names, self.path = struct, [*names, *field.embedded, key], dotted + key
            self.member(out, field, member)
        self.struct, self.names, self.path = outer, names, path
        return out

    def member(self, out: dict[str, Any], field: FieldShape, node: Any) -> None:
        found = self.value(node, field.shape, out.get(field.name, ABSENT))
        if found is ABSENT:
            out.pop(field.name, None)
        else:
            out[field.name] = found

    def map(self, node: Any, shape: Shape, prior: Any) -> Any:
        if not isinstance(node, Pairs | dict):
            return self.wrong(kind_of(node), shape, prior)
        assert shape.element is not None
        out: dict[str, Any] = dict(prior) if isinstance(prior, dict) else {}
        seen: set[str] = set()
        path = self.path
        for key, member in node if isinstance(node, Pairs) else node.items():
            if key in seen:
                self.problem(f'duplicate field "{path}.{key}"')
            seen.add(key)
            self.path = f"{path}.{key}"
            found = self.value(member, shape.element, ABSENT)
            out[key] = zero(shape.element) if found is ABSENT else found
        self.path = path
        return out

    def list(self, node: Any, shape: Shape, prior: Any) -> Any:
        if not isinstance(node, list | tuple) or isinstance(node, Pairs):
            return self.wrong(kind_of(node), shape, prior)
        assert shape.element is not None
        earlier = prior if isinstance(prior, list) else ()
        out: list[Any] = []
        path = self.path
        for index, item in enumerate(node):
            self.path = f"{path}[{index}]"
            found = self.value(item, shape.element, earlier[index] if index < len(earlier) else ABSENT)
            out.append(zero(shape.element) if found is ABSENT else found)
        self.path = path
        return out

    def string(self, node: Any, shape: Shape, prior: Any) -> Any:
        if isinstance(node, str) and not isinstance(node, Number):
            return node
        return self.wrong(kind_of(node), shape, prior)

    def boolean(self, node: Any, shape: Shape, prior: Any) -> Any:
        return node if isinstance(node, bool) else self.wrong(kind_of(node), shape, prior)

    def integer(self, node: Any, shape: Shape, prior: Any) -> Any:
        if kind_of(node) != "number":
            return self.wrong(kind_of(node), shape, prior)
        found = _integer(node, shape.bits)
        return self.wrong(f"number {_literal(node)}", shape, prior) if found is None else found

    def floating(self, node: Any, shape: Shape, prior: Any) -> Any:
        if kind_of(node) != "number":
            return self.wrong(kind_of(node), shape, prior)
        found = float(node)
        return self.wrong(f"number {_literal(node)}", shape, prior) if abs(found) == float("inf") else found

    def bytes(self, node: Any, shape: Shape, prior: Any) -> Any:
        if isinstance(node, list) and not isinstance(node, Pairs):
            byte = Shape("int", "uint8")
            found = [self.value(item, byte, 0) for item in node]
            return base64.b64encode(bytes(v if isinstance(v, int) else 0 for v in found)).decode()
        if kind_of(node) != "string":
            return self.wrong(kind_of(node), shape, prior)
        try:
            return base64.b64encode(go_base64.decode(node)).decode()
        except go_base64.Base64Error as error:
            self.fault = self.fault or str(error)
            return prior

    def text(self, node: Any) -> str:
        """The text of a scalar that reads itself: there a wrong type ends the decode at once."""
        if kind_of(node) != "string":
            raise DecodeError(self.mismatch(kind_of(node), "string"))
        return str(node)

    def time(self, node: Any, shape: Shape, prior: Any) -> Any:
        try:
            found = (canonical_time if shape.kind == "time" else canonical_micro_time)(self.text(node))
        except TimeError as error:
            raise DecodeError(str(error)) from None
        return found or ABSENT

    def duration(self, node: Any, shape: Shape, prior: Any) -> Any:
        return self.text(node)

    def quantity(self, node: Any, shape: Shape, prior: Any) -> Any:
        text = node if isinstance(node, str) else _literal(node)
        try:
            return parse_quantity(str(text).strip()).text
        except QuantityError as error:
            raise DecodeError(str(error)) from None

    def int_or_string(self, node: Any, shape: Shape, prior: Any) -> Any:
        if kind_of(node) == "string":
            return node
        if kind_of(node) != "number":
            raise DecodeError(self.mismatch(kind_of(node), "int32"))
        found = _integer(node, 32)
        if found is None:
            raise DecodeError(self.mismatch(f"number {_literal(node)}", "int32"))
        return found

    def raw(self, node: Any, shape: Shape, prior: Any) -> Any:
        reader = _SCHEMAS.get(shape.go.rpartition(".")[2])
        return plain(node) if reader is None else reader(self, node)


def zero(shape: Shape) -> Any:
    """What a null item of a list or map becomes."""
    if shape.kind in ("list", "struct", "map"):
        return [] if shape.kind == "list" else {}
    if shape.kind in ("int", "int_or_string", "float"):
        return 0
    if shape.kind == "quantity":
        return "0"
    return {"bool": False, "raw": None}.get(shape.kind, "")


def _integer(node: Any, bits: int) -> int | None:
    if isinstance(node, Number):
        if not node.lstrip("-").isdigit() or len(node) > 20:
            return None
        node = int(node)
    least, most = _RANGES[bits]
    return node if isinstance(node, int) and least <= node <= most else None


def _literal(node: Any) -> str:
    if isinstance(node, bool):
        return "true" if node else "false"
    return str(node)


def _schema(walk: Walk, node: Any) -> Any:
    """A schema within a schema decodes itself, silent about unknown members. Its faults are told as those of a
    JSONSchemaProps, wherever in it they are."""
    from pilothouse.api.types.apiextensions.v1 import JSONSchemaProps

    inner = Walk()
    inner.names, inner.around = walk.names, JSONSchemaProps.__name__
    found = inner.value(node, shape_of(JSONSchemaProps), ABSENT)
    if inner.fault is not None and walk.fault is None:
        walk.fault = inner.fault
    return (
        {}
        if found is ABSENT or inner.fault is not None
        else msgspec.to_builtins(msgspec.convert(found, JSONSchemaProps))
    )


def _schema_or_bool(walk: Walk, node: Any) -> Any:
    if isinstance(node, Pairs | dict):
        return _schema(walk, node)
    if isinstance(node, bool):
        return node
    raise DecodeError("boolean or JSON schema expected")


def _schema_or_list(walk: Walk, node: Any) -> Any:
    if isinstance(node, Pairs | dict):
        return _schema(walk, node)
    return [_schema(walk, item) for item in node] if isinstance(node, list) else ABSENT


def _schema_or_strings(walk: Walk, node: Any) -> Any:
    if isinstance(node, Pairs | dict):
        return _schema(walk, node)
    return plain(node) if isinstance(node, list) else ABSENT


_SCHEMAS: dict[str, Callable[[Walk, Any], Any]] = {
    "JSONSchemaPropsOrBool": _schema_or_bool,
    "JSONSchemaPropsOrArray": _schema_or_list,
    "JSONSchemaPropsOrStringArray": _schema_or_strings,
}


def _reads_itself(kind: Any) -> bool:
    """Whether a type has members that decode themselves: no annotation of the type says what they may be, so that only
    the exact way can vouch for them."""
    seen: set[Any] = set()
    waiting = [shape_of(kind)]
    while waiting:
        shape = waiting.pop()
        if shape.kind == "raw" and shape.go.rpartition(".")[2] in _SCHEMAS:
            return True
        if shape.element is not None:
            waiting.append(shape.element)
        if shape.struct is not None and shape.struct not in seen:
            seen.add(shape.struct)
            waiting += [field.shape for field in shape.fields.values()]
    return False


reads_itself: Callable[[Any], bool] = functools.cache(_reads_itself)


def told(problems: Iterable[str]) -> str:
    """The text of a strict refusal."""
    return "strict decoding error: " + ", ".join(problems)


__all__ = ["ABSENT", "DecodeError", "decode", "number", "told", "zero"]
