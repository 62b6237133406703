"""Patches of stored objects: JSON, merge, strategic merge and server-side apply."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.codec import json as codec
from pilothouse.api.codec import strict
from pilothouse.api.codec.strict import Decoded
from pilothouse.api.errors import StatusError
from pilothouse.api.field_errors import as_status
from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.apiserver import patch
from pilothouse.apiserver.apply import configuration
from pilothouse.apiserver.apply.tracker import FieldTracker
from pilothouse.apiserver.endpoints import bodies
from pilothouse.apiserver.generic.patching import PatchKind
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.scaling import scale_errors, scale_of
from pilothouse.apiserver.generic.storage import CachedObject
from pilothouse.apiserver.generic.tracker import Change
from pilothouse.apiserver.request.call import Call
from pilothouse.apiserver.request.negotiation import YAML
from pilothouse.kinds.body_decoder import BodyDecoder
from pilothouse.kinds.strategy import Scale as ScaleRules
from pilothouse.kinds.strategy import ServedVersion
from pilothouse.kit.aside import LARGE, aside

_MEDIA_TYPES: dict[PatchKind, str] = {
    "json": patch.JSON_PATCH,
    "merge": patch.MERGE_PATCH,
    "strategic": patch.STRATEGIC_MERGE_PATCH,
}


class ObjectPatcher:
    """A `generic.patching.Patcher`."""

    def __init__(self, tracker: FieldTracker) -> None:
        self._tracker = tracker

    async def patch(
        self, registry: Registry, kind: PatchKind, body: bytes, call: Call, force: bool | None
    ) -> tuple[CachedObject, bool]:
        form = registry.forms[call.api_version]
        if kind == "apply":
            return await self._apply(registry, form, body, call, bool(force))

        async def change(live: Any) -> Any:
            new = await _patched(kind, body, live, form.type, call, registry.strategy.reading)
            bodies.named(new, call.name, call.namespace)
            return await aside(call.size, lambda: self._tracker.updated(form.defaults(new), live, call))

        return await registry.update(change, call, create=False)

    async def _apply(
        self, registry: Registry, form: ServedVersion, body: bytes, call: Call, force: bool
    ) -> tuple[CachedObject, bool]:
        config = await _configuration(body, call)

        def applied(live: Any) -> Any:
            new = self._tracker.applied(live, config, form.type, call, force)
            bodies.named(new, call.name, call.namespace)
            if live is None and new.metadata.uid:
                told = (
                    f"uid mismatch: the provided object specified uid {new.metadata.uid}, and no existing object was "
                    "found"
                )
                resource = registry.resource
                raise errors.conflict(resource.group, resource.resource, call.name, told)
            return form.defaults(new)

        async def change(live: Any) -> Any:
            return await aside(call.size, lambda: applied(live))

        # A kind that PUT creates is created through its status, too.
        create = not call.subresource or (call.subresource == "status" and registry.strategy.allow_create_on_update)
        return await registry.update(change, call, create=create)

    async def apply_scale(
        self, registry: Registry, rules: ScaleRules[Any], body: bytes, call: Call, force: bool | None
    ) -> CachedObject:
        config = await _configuration(body, call)

        def change(live: Any) -> Any:
            new = self._tracker.applied_scale(live, config, call, bool(force))
            found = scale_errors(scale_of(rules, new))
            if found:
                raise as_status("autoscaling", "Scale", call.name, found)
            return new

        stored, _created = await registry.update(change, call, create=False)
        return stored

    def scale_change(self, kind: PatchKind, body: bytes, call: Call, force: bool | None) -> Change:
        async def change(live: Scale) -> Scale:
            found: Scale = await _patched(kind, body, live, Scale, call)
            return found

        return change


async def _patched(
    kind: PatchKind, body: bytes, live: Any, type_: type[Any], call: Call, reading: BodyDecoder | None = None
) -> Any:
    """What the patch makes of `live`; its problems become warnings. Raises StatusError.

    Most patches name a member or two: those alone are decoded again, the others stay the very Structs that they are.
    """
    media_type = _MEDIA_TYPES[kind]
    if reading is not None:
        return (await _decoded(media_type, body, live, call, reading)).obj
    named = patch.members_named(media_type, body, type_) if len(body) < LARGE else None
    if named is None:
        return (await _decoded(media_type, body, live, call)).obj
    part = type_(**{attribute: getattr(live, attribute) for attribute in named})
    try:
        found = await _decoded(media_type, body, part, call)
    except StatusError:
        return (await _decoded(media_type, body, live, call)).obj  # the refusal shows the whole object
    return replace(live, **{attribute: getattr(found.obj, attribute) for attribute in named})


async def _decoded(
    media_type: str, body: bytes, live: Any, call: Call, reading: BodyDecoder | None = None
) -> Decoded[Any]:
    validation = call.field_validation or "Warn"
    data = codec.encode(live)
    if media_type == patch.JSON_PATCH and b"copy" in body:
        call.size = max(call.size, LARGE)  # a few operations may make megabytes

    def patched() -> Decoded[Any]:
        if reading is not None:
            return reading.patched(media_type, body, data, validation)
        return patch.apply_patch(media_type, body, data, type(live), validation)

    found = await aside(max(call.size, len(data)), patched)
    for problem in found.problems:
        call.warn(problem)
    call.sent = found.tree
    call.untracked = bodies.resets_managers(found.tree)
    return found


async def _configuration(body: bytes, call: Call) -> dict[str, Any]:
    """The configuration in an apply's body. Raises StatusError."""
    if len(body) < LARGE and (plain := strict.plain_object(body)) is not None:
        return plain
    call.size = max(call.size, bodies.weight(body, YAML))
    config, warnings = await aside(call.size, lambda: configuration(body, call.field_validation or "Warn"))
    for warning in warnings:
        call.warn(warning)
    return config
