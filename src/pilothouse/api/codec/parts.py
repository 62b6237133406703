"""Parts that many objects have in common byte for byte, as all pods of a template have their spec: decoded once.

An object is decoded with that part left as bytes, and bytes that were met before are the Struct that they were then.
That is most of the work of decoding, and most of the memory; and as all those objects hold one and the same Struct,
whatever was found out about it (`kit.memo`) is known of all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from pilothouse.kit.memo import hold_small

# By the full names of types, as this module must not load all types there are.
_SHARED = {"pilothouse.api.types.core.v1.Pod": "spec"}
_PARTS = frozenset({"pilothouse.api.types.core.v1.PodSpec"})
# How many are remembered, and how many bytes one may have.
_LIMIT, LARGEST = 256, 16 * 1024
Hook = Callable[[type, Any], Any]


def _shared_part(kind: Any) -> str:
    return _SHARED.get(f"{kind.__module__}.{kind.__qualname__}", "")


shared_part: Callable[[Any], str] = functools.cache(_shared_part)
"""The attribute of a kind that many objects share; empty if there is none."""


def is_shared_part(kind: Any) -> bool:
    """Whether objects have values of this type in common."""
    return f"{kind.__module__}.{kind.__qualname__}" in _PARTS


class Known:
    """The Structs of bytes that were met before."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[bytes, Any] = {}

    def get(self, raw: bytes) -> Any:
        return self._held.get(raw)

    def put(self, raw: bytes, part: Any) -> None:
        if len(raw) > LARGEST:
            return
        if len(self._held) >= _LIMIT:
            self._held.clear()
        self._held[raw] = part
        hold_small(part)


class SharingDecoder:
    """Decodes the JSON of one kind that our own server or store wrote."""

    def __init__(self, kind: type[Any], hook: Hook) -> None:
        self._kind = kind
        self._part = shared_part(kind)
        self._known = Known()
        fields = msgspec.structs.fields(kind)
        self._part_decoder = msgspec.json.Decoder(_type_of(kind, self._part), dec_hook=hook)
        self._whole_decoder = msgspec.json.Decoder(kind, dec_hook=hook)
        listed = [_open_field(f, Raw if f.name == self._part else f.type) for f in fields]
        self._open_decoder = msgspec.json.Decoder(_open_type(kind, listed), dec_hook=hook)

    def decode(self, data: bytes) -> Any:
        """Raises msgspec.ValidationError or DecodeError."""
        members = _members(self._open_decoder.decode(data))
        raw = members.get(self._part)
        if raw is None:
            return self._whole_decoder.decode(data)
        raw = bytes(raw)
        part = self._known.get(raw)
        if part is None:
            part = self._part_decoder.decode(raw)
            self._known.put(raw, part)
        members[self._part] = part
        return self._kind(**members)


class SharingStrictDecoder:
    """Decodes what a client sent, if its part was met before, when the strict decoder had nothing against it.

    `floats` is called for every float literal."""

    def __init__(self, kind: type[Any], hook: Hook, floats: Callable[[str], Any]) -> None:
        self._kind = kind
        self._part = shared_part(kind)
        self._hook = hook
        self._known = Known()
        fields = msgspec.structs.fields(kind)
        self._types = {f.name: f.type for f in fields if f.name != self._part}
        listed = [_open_field(f, Raw if f.name == self._part else Any) for f in fields]
        self._decoder = msgspec.json.Decoder(_open_type(kind, listed), float_hook=floats)

    def open(self, data: bytes) -> Any:
        """The members of the object as trees, and its shared part as bytes. Raises what msgspec raises."""
        return self._decoder.decode(data)

    def closed(self, opened: Any) -> Any:
        """The typed object, None if its part was not met before. Raises msgspec.ValidationError."""
        members = _members(opened)
        raw = members.pop(self._part, None)
        part = None if raw is None else self._known.get(bytes(raw))
        if part is None:
            return None
        typed = {name: msgspec.convert(v, self._types[name], dec_hook=self._hook) for name, v in members.items()}
        return self._kind(**typed, **{self._part: part})

    def learn(self, opened: Any, obj: Any) -> None:
        """The strict decoder made `obj` of what was opened, and had nothing against it."""
        raw = getattr(opened, self._part)
        if raw is not UNSET:
            self._known.put(bytes(raw), getattr(obj, self._part))


def _type_of(kind: type[Any], attribute: str) -> Any:
    return next(f.type for f in msgspec.structs.fields(kind) if f.name == attribute)


def _open_field(field: Any, kind: Any) -> tuple[str, Any, Any]:
    return (
        field.name,
        kind | msgspec.UnsetType if kind is not Any else Any,
        msgspec.field(default=UNSET, name=field.encode_name),
    )


def _open_type(kind: type[Any], fields: list[tuple[str, Any, Any]]) -> Any:
    return msgspec.defstruct(f"Open{kind.__name__}", fields, forbid_unknown_fields=True, gc=False)


def _members(opened: Any) -> dict[str, Any]:
    """The members that are there."""
    return {name: value for name, value in msgspec.structs.asdict(opened).items() if value is not UNSET}
