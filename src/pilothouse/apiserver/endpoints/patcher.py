"""Patches of stored objects: JSON, merge and strategic merge; server-side apply by way of its own seam."""

from __future__ import annotations

from typing import Any

from pilothouse.api.codec import json as codec
from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.apiserver import patch
from pilothouse.apiserver.endpoints import bodies
from pilothouse.apiserver.generic.call import Call, Change, Tracker
from pilothouse.apiserver.generic.patching import PatchKind
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import Stored

_MEDIA_TYPES: dict[PatchKind, str] = {
    "json": patch.JSON_PATCH,
    "merge": patch.MERGE_PATCH,
    "strategic": patch.STRATEGIC_MERGE_PATCH,
}


class ObjectPatcher:
    """A `generic.patching.Patcher`."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    async def patch(
        self, registry: Registry, kind: PatchKind, body: bytes, call: Call, force: bool | None
    ) -> tuple[Stored, bool]:
        if kind == "apply":
            raise bodies.unsupported_patch()
        form = registry.forms[call.api_version]

        def change(live: Any) -> Any:
            new = _patched(kind, body, live, form.type, call)
            bodies.named(new, call.name, call.namespace)
            return self._tracker.updated(form.defaults(new), live, call)

        return await registry.update(change, call, create=False)

    def scale_change(self, kind: PatchKind, body: bytes, call: Call, force: bool | None) -> Change:
        if kind == "apply":
            raise bodies.unsupported_patch()

        def change(live: Scale) -> Scale:
            found: Scale = _patched(kind, body, live, Scale, call)
            return found

        return change


def _patched(kind: PatchKind, body: bytes, live: Any, type_: type[Any], call: Call) -> Any:
    """What the patch makes of `live`; its problems become warnings. Raises StatusError."""
    validation = call.field_validation or "Warn"
    found = patch.apply_patch(_MEDIA_TYPES[kind], body, codec.encode(live), type_, validation)
    for problem in found.problems:
        call.warn(problem)
    return found.obj
