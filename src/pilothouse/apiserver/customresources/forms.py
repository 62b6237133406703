"""How custom objects are kept: in the storage version; what older definitions wrote is read as the present has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from pilothouse.api.codec import json as codec
from pilothouse.api.custom import CustomObject, of_tree
from pilothouse.apiserver.customresources.version import Version
from pilothouse.apiserver.generic.storage import CachedObject, MalformedValue, ObjectCodec

_FLOATS = b".0"


class CustomBytes(ObjectCodec):
    """`versions` are all of the definition, by api_version: bytes may be of another version than `own`."""

    __slots__ = ("_own", "_versions")

    def __init__(
        self, own: Version, versions: Mapping[str, Version], fields: Mapping[str, Callable[[Any], str]]
    ) -> None:
        super().__init__(own.type, fields)
        self._own = own
        self._versions = versions

    @property
    def opening(self) -> bytes:
        return self.head

    def value(self, obj: Any) -> bytes:
        value = super().value(obj)
        return super().value(_whole(obj)) if _FLOATS in value else value

    def of_value(self, key: str, value: bytes, revision: int, obj: Any = None, *, unstored: str = "") -> CachedObject:
        if obj is None:
            obj = self.current(value)
            value = self.value(obj)
        return super().of_value(key, value, revision, obj, unstored=unstored)

    def current(self, value: bytes) -> CustomObject:
        """The object of stored bytes: with the defaults of the version that it is stored in, then as the storage
        version shows it."""
        try:
            tree = codec.decode_any(value)
            stored = self._versions.get(tree.get("apiVersion", ""), self._own)
            return self._own.of(stored.defaults(of_tree(tree, stored.type)))
        except (msgspec.DecodeError, AttributeError) as error:
            raise MalformedValue(f"{value[:80]!r} is no {self._own.kind}: {error}") from None


def _whole(obj: CustomObject) -> CustomObject:
    """Floats that stand for integers are written as integers, as Go writes them."""
    return replace(obj, body=_whole_tree(obj.body))


def _whole_tree(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole_tree(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_whole_tree(item) for item in value]
    if isinstance(value, float) and abs(value) < 1e21 and value == int(value):
        return int(Decimal(repr(value)))
    return value
