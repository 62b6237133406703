"""Protobuf bodies: the `k8s` envelope around messages, lists made of encoded items, and the frames of watches. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from pilothouse.api.codec.depth import TOLD
from pilothouse.api.codec.protobuf.messages import message_of
from pilothouse.api.codec.protobuf.scalars import delimited, parts, text_of
from pilothouse.api.types.meta.v1 import ListMeta
from pilothouse.kit.protobuf import BYTES, ProtobufError, tag

T = TypeVar("T")

MAGIC = b"k8s\0"
CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_FIELD1, _FIELD2, _FIELD3, _FIELD4 = (tag(n, BYTES) for n in (1, 2, 3, 4))

__all__ = [
    "CONTENT_TYPE", "MAGIC", "Envelope", "ProtobufError", "decode", "decode_message", "encode", "encode_list",
    "encode_message", "open_envelope", "watch_frame", "wrap",
]  # fmt: skip


class Envelope(NamedTuple):
    """What a body says it holds. `raw` is the message, or JSON text if `content_type` says so."""

    api_version: str
    kind: str
    raw: bytes
    content_type: str = ""


def encode_message(obj: Any) -> bytes:
    """The message of a typed object, without envelope."""
    return message_of(type(obj)).encode(obj)


def decode_message(data: bytes, kind: type[T]) -> T:
    """The typed object of a message. Raises ProtobufError."""
    try:
        found: T = message_of(kind).decode(data)
    except RecursionError:
        raise ProtobufError(TOLD) from None
    return found


def encode(obj: Any) -> bytes:
    """The body of a typed object of a kind."""
    return wrap(obj.api_version, obj.kind, encode_message(obj))


def wrap(api_version: str, kind: str, raw: bytes) -> bytes:
    """A body around an encoded message."""
    meta = _FIELD1 + delimited(api_version.encode()) + _FIELD2 + delimited(kind.encode())
    return b"".join((MAGIC, _FIELD1, delimited(meta), _FIELD2, delimited(raw), _FIELD3, b"\0", _FIELD4, b"\0"))


def encode_list(api_version: str, kind: str, metadata: ListMeta, items: Iterable[bytes]) -> bytes:
    """The body of a list whose items are encoded messages."""
    out = [_FIELD1, delimited(encode_message(metadata))]
    for item in items:
        out += (_FIELD2, delimited(item))
    return wrap(api_version, kind, b"".join(out))


def open_envelope(data: bytes) -> Envelope:
    """Raises ProtobufError if `data` is no body in protobuf."""
    if not data:
        raise ProtobufError("empty data")
    if data[:4] != MAGIC:
        raise ProtobufError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    found = parts(data, 4, len(data))
    meta = parts(data, *found[1]) if isinstance(found.get(1), tuple) else {}

    def text(held: dict[int, Any], number: int) -> str:
        return text_of(data, *held[number]) if isinstance(held.get(number), tuple) else ""

    raw = data[slice(*found[2])] if isinstance(found.get(2), tuple) else b""
    return Envelope(text(meta, 1), text(meta, 2), raw, text(found, 4))


def decode(data: bytes, kind: type[T]) -> T:
    """The object in a body, which must be of `kind`. Raises ProtobufError."""
    return decode_message(open_envelope(data).raw, kind)


def watch_frame(event_type: str, body: bytes) -> bytes:
    """One event of a watch: a length of four bytes, then the event around an object's whole body."""
    event = _FIELD1 + delimited(event_type.encode()) + _FIELD2 + delimited(_FIELD1 + delimited(body))
    return len(event).to_bytes(4, "big") + event
