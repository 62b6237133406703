"""The hash that tells pod templates apart: label `pod-template-hash`, and names of ReplicaSets and revisions. Pure."""

from __future__ import annotations

from msgspec import Struct

from pilothouse.api.codec import json

LABEL = "pod-template-hash"
CONTROLLER_REVISION_LABEL = "controller-revision-hash"
_OFFSET, _PRIME = 0x811C9DC5, 0x01000193
_DIGITS = "bcdfghjklmnpqrstvwxz2456789"


def fnv32a(data: bytes) -> int:
    """FNV-1a, 32 bits."""
    value = _OFFSET
    for byte in data:
        value = ((value ^ byte) * _PRIME) & 0xFFFFFFFF
    return value


def safe(text: str) -> str:
    """`text` in letters of which no bad words come out."""
    return "".join(_DIGITS[ord(c) % len(_DIGITS)] for c in text)


def hash_of(template: Struct, collision_count: int | None = None) -> str:
    """The hash of a template. A collision count makes another one of the same template."""
    data = json.encode(_ordered(json.to_builtins(template)))
    if collision_count is not None:
        data += collision_count.to_bytes(8, "little", signed=True)
    return safe(str(fnv32a(data)))


def _ordered(tree: object) -> object:
    # Maps have no order on the wire; their hash must not have one either.
    if isinstance(tree, dict):
        return {key: _ordered(tree[key]) for key in sorted(tree)}
    if isinstance(tree, list):
        return [_ordered(item) for item in tree]
    return tree
