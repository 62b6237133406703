"""The trusted JSON codec: bytes that our own server or store wrote. Requests of clients go through `strict`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, cast

import msgspec

from pilothouse.api import custom
from pilothouse.api.codec import cuts
from pilothouse.api.codec.parts import SharingDecoder, shared_part
from pilothouse.api.custom import CustomObject
from pilothouse.api.quantity import Quantity, QuantityError, parse

T = TypeVar("T")


def decode_hook(kind: type, value: Any) -> Any:
    """msgspec's hook for the scalar classes of the API: raises ValueError, which it reports with the field's path."""
    if kind is Quantity:
        if isinstance(value, str):
            return parse(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return parse(repr(value))
        raise QuantityError("quantities must be text or numbers")
    raise TypeError(f"no scalar class {kind}")


def encode_hook(value: Any) -> Any:
    """The wire form of a scalar class."""
    if isinstance(value, Quantity):
        return value.text
    raise TypeError(f"{type(value)} is not of the API")


_encoder = msgspec.json.Encoder(enc_hook=encode_hook)
_encode = _encoder.encode


def encode(obj: Any) -> bytes:
    """The JSON of an object, or of a part of one."""
    return custom.encode(obj) if isinstance(obj, CustomObject) else _encode(obj)


_SLICE = 64


def longer_than(obj: Any, limit: int) -> bool:
    """Whether the JSON of an object has more than `limit` bytes, found out in pieces and only as far as that takes. It
    may have some more though this says no: numbers and names of members of Structs are not counted."""
    size = 0
    waiting = [obj]
    while waiting and size <= limit:
        value = waiting.pop()
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, msgspec.Struct):
            waiting += [getattr(value, name) for name in value.__struct_fields__]
        elif isinstance(value, tuple) and len(value) <= _SLICE:
            waiting += value
        elif isinstance(value, tuple):
            for start in range(0, len(value), _SLICE):
                size += len(_encode(value[start : start + _SLICE]))
                if size > limit:
                    return True
        elif isinstance(value, Mapping):
            waiting += [*value, *value.values()]
    return size > limit


class Decoder(Protocol):
    """Of one type."""

    def decode(self, data: bytes, /) -> Any: ...


@functools.cache
def decoder(kind: Any) -> Decoder:
    """The decoder of a type, made once: making one costs as much as a hundred decodes."""
    if isinstance(kind, type) and shared_part(kind):
        return SharingDecoder(kind, decode_hook)
    return msgspec.json.Decoder(kind, dec_hook=decode_hook)


def decode(data: bytes, kind: type[T]) -> T:
    """The typed object in `data`. Raises msgspec.ValidationError or DecodeError: then the bytes are not ours."""
    if issubclass(kind, CustomObject):
        return cast(T, custom.of_tree(decode_any(data), kind))
    found: T = decoder(cast(Any, kind)).decode(data)
    return found


def decode_any(data: bytes) -> Any:
    """The JSON tree in `data`."""
    return cuts.decode(data, msgspec.json.decode)


def to_builtins(obj: Any) -> Any:
    """The JSON tree (dict, list, str, ...) of a typed object, as it would be written."""
    if isinstance(obj, CustomObject):
        return custom.tree_of(obj)
    return msgspec.to_builtins(obj, enc_hook=encode_hook)


def from_builtins(tree: Any, kind: type[T]) -> T:
    """The typed object of a JSON tree. Raises msgspec.ValidationError."""
    if issubclass(kind, CustomObject):
        return cast(T, custom.of_tree(tree, kind))
    return msgspec.convert(tree, kind, dec_hook=decode_hook)
