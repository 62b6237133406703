"""PATCH as the registry does it: find the live object, apply the patch, write what came out."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import CachedObject
from pilothouse.apiserver.generic.tracker import Change
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.strategy import Scale
from pilothouse.kit.texts import remembered

PatchKind = Literal["json", "merge", "strategic", "apply"]
TYPES: dict[str, PatchKind] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}


@remembered(64)
def patch_type(content_type: bytes | None) -> PatchKind | None:
    """The kind of patch that a content type names; None if it names none."""
    return TYPES.get((content_type or b"").decode("latin-1").partition(";")[0].strip())


class Patcher(Protocol):
    """Applies patches to stored objects."""

    async def patch(
        self, registry: Registry, kind: PatchKind, body: bytes, call: Call, force: bool | None
    ) -> tuple[CachedObject, bool]:
        """The object after the patch, and whether it was created (apply). Raises StatusError."""
        ...

    def scale_change(self, kind: PatchKind, body: bytes, call: Call, force: bool | None) -> Change:
        """What the patch makes of a Scale; not for `apply`. Raises StatusError when it is called."""
        ...

    async def apply_scale(
        self, registry: Registry, rules: Scale[Any], body: bytes, call: Call, force: bool | None
    ) -> CachedObject:
        """The object after a Scale was applied to it. Raises StatusError."""
        ...
