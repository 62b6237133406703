"""Encoders and decoders of generated types, compiled from their facts once per type, when first needed. Pure.

What is written follows Go's generated code: scalars that are no pointers always, so also embedded messages that are
none, in the order of their numbers; maps sorted by key; an inlined type is a message of its own, and comes first.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.api import scheme
from pilothouse.api.codec.parts import Known, is_shared_part
from pilothouse.api.codec.protobuf import schemas
from pilothouse.api.codec.protobuf.scalars import BODIES, READERS, WIRE_TYPES, double_body, read_double
from pilothouse.api.shapes import Shape, fields_of_struct
from pilothouse.kit.memo import Memo
from pilothouse.kit.protobuf import (
    BYTES,
    FIXED64,
    VARINT,
    ProtobufError,
    read_length,
    read_varint,
    signed,
    skip,
    tag,
    varint,
)

Append = Callable[[bytes], None]
Write = Callable[[Any, Append], None]
# Reads the value after a tag of the right wire type: (data, at, end, holder of attributes) to the value's end.
Read = Callable[[bytes, int, int, dict[str, Any]], int]


_EMPTY: tuple[()] = ()  # CPython has one empty tuple; where it has not, writing none of its items is the same
_HEADS = [bytes((n,)) for n in range(128)]


class Message:
    """The codec of one type."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.attributes: list[str] = []
        self.writers: list[Write] = []
        self.moments: list[tuple[int, bytes]] = []
        """Times that are no pointers: their place, and what is written of none."""
        self.parts: list[tuple[bytes, Message]] = []
        self.repeated: list[str] = []
        self.readers: dict[int, Read] = {}
        self.names: dict[int, tuple[str, int]] = {}
        rows = sorted((f for f in scheme.facts_of(kind).fields if f.number), key=lambda f: f.number)
        fields = fields_of_struct(kind)
        for row in rows:
            if row.inline:
                self._inline(row.number, _base(kind, row.go_type))
            else:
                self._field(row.number, row.attribute, row.json_name, fields[row.json_name].shape)
        self.values = _getter(self.attributes)

    def _inline(self, number: int, base: type[Any]) -> None:
        inner = message_of(base)
        self.repeated += inner.repeated

        def read(data: bytes, at: int, end: int, held: dict[str, Any]) -> int:
            at, end = read_length(data, at, end)
            inner.read(data, at, end, held)
            return end

        self.parts.append((tag(number, BYTES), inner))
        self.readers[number << 3 | BYTES] = read
        self.names[number] = (base.__name__, BYTES)

    def _field(self, number: int, attribute: str, name: str, shape: Shape) -> None:
        # A list with a name of its own (Verbs) is a message with the items.
        named = shape.kind == "list" and not shape.go.startswith("[]")
        single = shape.element if shape.kind == "list" and not named else shape
        assert single is not None
        wire_type = WIRE_TYPES.get(single.kind, BYTES)
        if not shape.nullable and shape.kind in ("time", "micro_time"):
            self.moments.append((len(self.attributes), tag(number, BYTES) + b"\0"))
        self.attributes.append(attribute)
        self.writers.append(_single_writer(number, shape, True) if named else _writer(number, shape))
        if shape.kind == "list" and not named:
            self.repeated.append(attribute)
        self.readers[number << 3 | wire_type] = _reader(attribute, shape, in_map=named)
        self.names[number] = (name[:1].upper() + name[1:], wire_type)

    def encode(self, obj: Any) -> bytes:
        out: list[bytes] = []
        append = out.append
        for prefix, inner in self.parts:
            body = inner.encode(obj)
            append(prefix + varint(len(body)))
            append(body)
        values = self.values(obj)
        for value, write in zip(values, self.writers):  # noqa: B905  # strict costs as much as the loop
            if value is not None and value is not _EMPTY:
                write(value, append)
        for at, empty in self.moments:
            if values[at] is None:
                append(empty)
        return b"".join(out)

    def decode(self, data: bytes, at: int = 0, end: int | None = None) -> Any:
        held: dict[str, Any] = {}
        self.read(data, at, len(data) if end is None else end, held)
        for attribute in self.repeated:
            if attribute in held:
                held[attribute] = tuple(held[attribute])
        return self.kind(**held)

    def read(self, data: bytes, at: int, end: int, held: dict[str, Any]) -> None:
        """Read fields into attributes; lists stay lists until the object is made."""
        readers = self.readers
        while at < end:
            key = data[at]
            if key < 128:
                at += 1
            else:
                key, at = read_varint(data, at, end)
            read = readers.get(key)
            at = read(data, at, end, held) if read is not None else self._unread(key, data, at, end)

    def _unread(self, key: int, data: bytes, at: int, end: int) -> int:
        number, wire_type = key >> 3, key & 7
        if wire_type == 4:
            raise ProtobufError(f"proto: {self.kind.__name__}: wiretype end group for non-group")
        if number == 0:
            raise ProtobufError(f"proto: {self.kind.__name__}: illegal tag 0 (wire type {wire_type})")
        if number in self.names:
            raise ProtobufError(f"proto: wrong wireType = {wire_type} for field {self.names[number][0]}")
        return skip(data, at, end, wire_type)


def _getter(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """All of the attributes at once."""
    if len(attributes) > 1:
        return operator.attrgetter(*attributes)
    return lambda obj: tuple(getattr(obj, attribute) for attribute in attributes)


def _message_of(kind: Any) -> Message:
    return Message(kind)


message_of: Callable[[Any], Message] = functools.cache(_message_of)


def _base(kind: type[Any], go: str) -> type[Any]:
    return next(base for base in kind.__mro__ if base.__name__ == go.rpartition(".")[2])


def _body_of(shape: Shape) -> Callable[[Any], bytes]:
    """The content of a length-delimited value."""
    if shape.kind == "struct":
        return _lazy_encode(shape.struct)
    if shape.kind == "list":  # a list as the value of a map is a message with the items
        return functools.partial(_wrapped, _writer(1, shape))
    if shape.kind == "raw" and (special := schemas.of(shape.go)) is not None:
        return special.encode
    return BODIES[shape.kind]


def _lazy_encode(kind: Any) -> Callable[[Any], bytes]:
    """Types may hold themselves, so the encoder of a type is looked up when first used."""
    found: list[Callable[[Any], bytes]] = []

    def encode(value: Any) -> bytes:
        if not found:
            own = message_of(kind).encode
            found.append(Memo(own) if is_shared_part(kind) else own)
        return found[0](value if value is not None else kind())

    return encode


def _wrapped(write: Write, value: Any) -> bytes:
    out: list[bytes] = []
    write(value, out.append)
    return b"".join(out)


def _writer(number: int, shape: Shape) -> Write:
    if shape.kind == "map":
        return _map_writer(number, shape)
    if shape.kind == "list":
        assert shape.element is not None
        one = _single_writer(number, shape.element, True)

        def write_all(value: Any, append: Append) -> None:
            if value:
                for item in value:
                    one(item, append)

        return write_all
    return _single_writer(number, shape, not (shape.nullable or shape.kind == "bytes"))


def _single_writer(number: int, shape: Shape, always: bool) -> Write:
    """Writes one value; None only if `always`, as the zero value."""
    if shape.kind in WIRE_TYPES:
        return _number_writer(tag(number, WIRE_TYPES[shape.kind]), shape.kind, always)
    prefix, body = tag(number, BYTES), _body_of(shape)
    if shape.kind == "string":
        empty = prefix + b"\0"

        def write_text(value: Any, append: Append) -> None:
            if value:
                content = value.encode("utf-8", "replace")
                size = len(content)
                append(prefix + (_HEADS[size] if size < 128 else varint(size)) + content)
            elif always or value is not None:
                append(empty)

        return write_text

    def write(value: Any, append: Append) -> None:
        if value is not None or always:
            content = body(value)
            size = len(content)
            append(prefix + (_HEADS[size] if size < 128 else varint(size)))
            append(content)

    return write


def _number_writer(prefix: bytes, kind: str, always: bool) -> Write:
    false, true = prefix + b"\0", prefix + b"\1"

    def write(value: Any, append: Append) -> None:
        if value is None and not always:
            return
        if kind == "float":
            append(prefix + double_body(value or 0.0))
        elif not value:
            append(false)
        else:
            append(true if value is True else prefix + varint(value))

    return write


def _map_writer(number: int, shape: Shape) -> Write:
    assert shape.element is not None
    prefix = tag(number, BYTES)
    key, value = tag(1, BYTES), _single_writer(2, shape.element, True)

    def write(held: Mapping[str, Any] | None, append: Append) -> None:
        for name in sorted(held) if held else ():
            content = name.encode("utf-8", "replace")
            entry = [key, varint(len(content)), content]
            value(held[name], entry.append)  # type: ignore[index]
            body = b"".join(entry)
            append(prefix)
            append(varint(len(body)))
            append(body)

    return write


def _sharing(decode: Callable[[bytes, int, int], Any]) -> Callable[[bytes, int, int], Any]:
    """`decode`, called once for bytes that are met again and again."""
    known = Known()

    def read(data: bytes, at: int, end: int) -> Any:
        raw = data[at:end]
        part = known.get(raw)
        if part is None:
            part = decode(raw, 0, len(raw))
            known.put(raw, part)
        return part

    return read


def _value_of(shape: Shape) -> Callable[[bytes, int, int], Any]:
    """Reads the content of a length-delimited value."""
    if shape.kind == "struct":
        found: list[Callable[[bytes, int, int], Any]] = []

        def decode(data: bytes, at: int, end: int) -> Any:
            if not found:
                own = message_of(shape.struct).decode
                found.append(_sharing(own) if is_shared_part(shape.struct) else own)
            return found[0](data, at, end)

        return decode
    if shape.kind == "list":
        read = _reader("items", shape)

        def decode_items(data: bytes, at: int, end: int) -> Any:
            held: dict[str, Any] = {}
            while at < end:
                key, at = read_varint(data, at, end)
                at = read(data, at, end, held) if key == 1 << 3 | BYTES else skip(data, at, end, key & 7)
            return tuple(held.get("items", ()))

        return decode_items
    if shape.kind == "raw" and (special := schemas.of(shape.go)) is not None:
        return special.decode
    return READERS[shape.kind]


def _reader(attribute: str, shape: Shape, in_map: bool = False) -> Read:
    if shape.kind == "map":
        return _map_reader(attribute, shape)
    repeated = shape.kind == "list" and not in_map
    single = shape.element if repeated else shape
    assert single is not None
    if single.kind in WIRE_TYPES:
        return _number_reader(attribute, single, repeated)
    value_of = _value_of(single)
    nullable_time = single.kind in ("time", "micro_time")

    def read(data: bytes, at: int, end: int, held: dict[str, Any]) -> int:
        length = data[at] if at < end else 128
        if length < 128 and at + 1 + length <= end:
            at += 1
            stop = at + length
        else:
            at, stop = read_length(data, at, end)
        value = value_of(data, at, stop)
        if repeated:
            held.setdefault(attribute, []).append(value)
        elif not nullable_time or value:
            held[attribute] = value
        return stop

    return read


def _number_reader(attribute: str, shape: Shape, repeated: bool) -> Read:
    kind, bits = shape.kind, shape.bits

    def read(data: bytes, at: int, end: int, held: dict[str, Any]) -> int:
        value: Any
        if kind == "float":
            value, at = read_double(data, at, end)
        else:
            value, at = read_varint(data, at, end)
            value = value != 0 if kind == "bool" else signed(value, bits)
        if repeated:
            held.setdefault(attribute, []).append(value)
        else:
            held[attribute] = value
        return at

    return read


def _map_reader(attribute: str, shape: Shape) -> Read:
    assert shape.element is not None
    key_read, value_read = _reader("key", Shape("string", "string")), _reader("value", shape.element, in_map=True)
    value_tag = 2 << 3 | WIRE_TYPES.get(shape.element.kind, BYTES)
    empty = shape.element

    def read(data: bytes, at: int, end: int, held: dict[str, Any]) -> int:
        at, stop = read_length(data, at, end)
        entry: dict[str, Any] = {}
        while at < stop:
            key, at = read_varint(data, at, stop)
            if key == 1 << 3 | BYTES:
                at = key_read(data, at, stop, entry)
            elif key == value_tag:
                at = value_read(data, at, stop, entry)
            else:
                at = skip(data, at, stop, key & 7)
        if "value" not in entry:
            entry["value"] = _zero(empty)
        held.setdefault(attribute, {})[entry.get("key", "")] = entry["value"]
        return stop

    return read


def _zero(shape: Shape) -> Any:
    if shape.kind == "list":
        return ()
    if shape.kind in WIRE_TYPES:
        return 0
    return _value_of(shape)(b"", 0, 0)


__all__ = ["FIXED64", "VARINT", "Message", "message_of"]
