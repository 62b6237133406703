"""Updating an object: from the live one to the wanted one, again when someone else was faster."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Any, cast

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.errors import StatusError
from pilothouse.api.field_errors import as_status, invalid
from pilothouse.apiserver.generic import deleting, writing
from pilothouse.apiserver.generic.creating import Creator
from pilothouse.apiserver.generic.desk import Desk, Settling, Stale, told
from pilothouse.apiserver.generic.scaling import scale_errors, scale_of
from pilothouse.apiserver.generic.storage import Stored
from pilothouse.apiserver.generic.tracker import Change
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.strategy import Scale, Status
from pilothouse.kit.aside import aside

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class Updater:
    """Updates objects of one kind, the object itself or through a subresource."""

    def __init__(self, desk: Desk, creator: Creator) -> None:
        self._desk = desk
        self._creator = creator
        self._s = desk.surroundings

    async def update(
        self, change: Change, call: Call, *, uid: str = "", create: bool | None = None
    ) -> tuple[Stored, bool]:
        """Make what `change` makes of the live object; again if someone else was faster, unless the new object names
        a resourceVersion. `uid`: the object must have it. `create`: whether an absent object is made (None: as the
        kind has it); True with one that was. Raises StatusError."""
        desk = self._desk
        if create is None:
            create = desk.strategy.allow_create_on_update
        key = desk.key(call.namespace, call.name)
        existing = desk.cache.peek(key) or await desk.cache.get(key)
        while True:
            try:
                return await self._once(key, existing, change, call, uid, create)
            except Stale:
                existing = await desk.cache.get(key)
            except StatusError:
                latest = await desk.cache.get(key)  # the refusal may come from what the cache had not seen yet
                if (latest and latest.revision) == (existing and existing.revision):
                    raise
                existing = latest

    async def put(self, obj: Any, call: Call) -> tuple[Stored, bool]:
        """PUT `obj` (of the call's version, decoded only) in place of the live object. Raises StatusError."""
        obj, warning = writing.distinct_owners(obj)
        call.warn(warning)
        new = await aside(call.size, partial(self._desk.forms[call.api_version].read, obj))

        async def change(live: Any) -> Any:
            if live is None:
                return await aside(call.size, partial(self._s.tracker.created, new, call))
            return await aside(call.size, partial(self._s.tracker.updated, new, live, call))

        create = None if not call.subresource else False
        return await self.update(change, call, uid=obj.metadata.uid, create=create)

    async def scale(self, change: Change, rules: Scale[Any], call: Call, *, uid: str = "") -> Stored:
        """Write the replicas of the Scale that `change` makes of the live one. Raises StatusError."""

        async def rescaled(live: Any) -> Any:
            scale = await _awaited(change(scale_of(rules, live)))
            found = scale_errors(scale)
            if found:
                raise as_status("autoscaling", "Scale", scale.metadata.name, found)
            obj = rules.with_replicas(live, scale.spec.replicas)
            named = scale.metadata.resource_version
            if named and named != live.metadata.resource_version:
                obj = writing.with_meta(obj, resource_version=named)
            return self._s.tracker.updated(obj, live, call)

        stored, _created = await self.update(rescaled, call, uid=uid, create=False)
        return stored

    async def _once(
        self, key: str, existing: Stored | None, change: Change, call: Call, uid: str, create: bool
    ) -> tuple[Stored, bool]:
        form = self._desk.forms[call.api_version]
        if uid:
            self._check_uid(key, existing, uid, call.dry_run)
        if existing is None:
            if not create:
                raise self._desk.not_found(call.name)
            obj = form.to_storage(await _awaited(change(None)))
            if obj.metadata.resource_version:
                obj = writing.with_meta(obj, resource_version="")
            obj = writing.place(obj, call.namespace)
            return await self._creator.admit_and_insert(obj, call, authorize=True), True
        call.size = max(call.size, len(existing.tail))
        wanted = await _awaited(change(form.from_storage(self._desk.strategy.live(existing.obj))))
        new = writing.place(form.to_storage(wanted), call.namespace)
        return await self._replace(existing, new, call), False

    def _check_uid(self, key: str, existing: Stored | None, wanted: str, dry_run: bool) -> None:
        """Raises StatusError (409). A dry run names the key below the store's own folder, as upstream."""
        uid = existing.obj.metadata.uid if existing is not None else ""
        if wanted == uid:
            return
        r = self._desk.resource
        shown = key.removeprefix("/registry") if dry_run else key
        told = (
            f"StorageError: invalid object, Code: 4, Key: {shown}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
        )
        raise errors.conflict(r.group, r.resource, key.rpartition("/")[2], told)

    async def _replace(self, existing: Stored, new: Any, call: Call) -> Stored:
        desk, old = self._desk, existing.obj
        write = desk.write(call)
        attributes = desk.attributes("UPDATE", call, new, old)
        await self._s.admission.admit(attributes)
        new, warning = writing.distinct_owners(attributes.obj, after_admission=True)
        call.warn(warning)
        new, hook = await desk.begin_update(self._expected(new, old), old, write)
        with Settling(hook, attributes):
            strategy, rules = desk.rules[call.api_version], self._rules(call.subresource)
            checked = partial(writing.before_update, strategy, new, old, write, rules, call.sent)
            new, warnings = await aside(call.size, checked)
            new = _without_mere_times(new, old)
            attributes.obj = new
            told(call, warnings)
            await self._s.admission.validate(attributes)
            if deleting.removable(desk.strategy, new, old):
                await self._remove(existing, call)
                kind = desk.stored_bytes
                return kind.of_value(existing.key, kind.value(new), existing.revision, new)
            return await desk.swap(existing, new, call)

    async def _remove(self, existing: Stored, call: Call) -> None:
        """Take out an object whose last finalizer goes. That somebody else did is no error: several may take away the
        last one. Raises Stale if it was changed."""
        desk = self._desk
        try:
            await desk.remove(existing, call)
        except Stale:
            latest = await desk.cache.get(existing.key)
            if latest is not None and latest.obj.metadata.uid == existing.obj.metadata.uid:
                raise

    def _expected(self, new: Any, old: Any) -> Any:
        """`new` with the live resourceVersion. Raises StatusError if it names another one, or must name one."""
        r, named = self._desk.resource, new.metadata.resource_version
        if named in ("", "0"):
            if not self._desk.strategy.allow_unconditional_update:
                found = invalid("metadata.resourceVersion", 0, "must be specified for an update")
                raise as_status(r.group, r.resource, old.metadata.name, [found])
            return writing.with_meta(new, resource_version=old.metadata.resource_version)
        if not named.isascii() or not named.isdigit():
            raise errors.make(500, "", f'strconv.ParseUint: parsing "{named}": invalid syntax')
        if named != old.metadata.resource_version:
            raise errors.conflict(r.group, r.resource, old.metadata.name, MODIFIED)
        return new

    def _rules(self, subresource: str) -> Status[Any] | None:
        if subresource == "status":
            return self._desk.strategy.status
        return self._desk.strategy.updates.get(subresource)


async def _awaited(made: Any) -> Any:
    return await cast(Awaitable[Any], made) if hasattr(made, "__await__") else made


def _without_mere_times(new: Any, old: Any) -> Any:
    """`new` with the managedFields of `old` if nothing but their times differs."""
    if new.metadata.managed_fields == old.metadata.managed_fields:
        return new
    like_old = writing.with_meta(new, managed_fields=old.metadata.managed_fields)
    return like_old if like_old == old and _timeless(new) == _timeless(old) else new


def _timeless(obj: Any) -> list[Any]:
    return [replace(entry, time=None) for entry in obj.metadata.managed_fields]
