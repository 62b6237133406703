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
from pilothouse.apiserver.generic.kind_store import KindStore, Settling, Stale, told
from pilothouse.apiserver.generic.scaling import scale_errors, scale_of
from pilothouse.apiserver.generic.storage import CachedObject
from pilothouse.apiserver.generic.tracker import Change
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.strategy import Scale, Status
from pilothouse.kit.aside import aside

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class Updater:
    """Updates objects of one kind, the object itself or through a subresource."""

    def __init__(self, kind_store: KindStore, creator: Creator) -> None:
        self._kind_store = kind_store
        self._creator = creator
        self._s = kind_store.context

    async def update(
        self, change: Change, call: Call, *, uid: str = "", create: bool | None = None
    ) -> tuple[CachedObject, bool]:
        """Make what `change` makes of the live object; again if someone else was faster, unless the new object names
        a resourceVersion. `uid`: the object must have it. `create`: whether an absent object is made (None: as the
        kind has it); True with one that was. Raises StatusError."""
        kind_store = self._kind_store
        if create is None:
            create = kind_store.strategy.allow_create_on_update
        key = kind_store.key(call.namespace, call.name)
        existing = kind_store.cache.peek(key) or await kind_store.cache.get(key)
        while True:
            try:
                return await self._once(key, existing, change, call, uid, create)
            except Stale:
                existing = await kind_store.cache.get(key)
            except StatusError:
                latest = await kind_store.cache.get(key)  # the refusal may come from what the cache had not seen yet
                if (latest and latest.revision) == (existing and existing.revision):
                    raise
                existing = latest

    async def put(self, obj: Any, call: Call) -> tuple[CachedObject, bool]:
        """PUT `obj` (of the call's version, decoded only) in place of the live object. Raises StatusError."""
        obj, warning = writing.distinct_owners(obj)
        call.warn(warning)
        new = await aside(call.size, partial(self._kind_store.forms[call.api_version].read, obj))

        async def change(live: Any) -> Any:
            if live is None:
                return await aside(call.size, partial(self._s.tracker.created, new, call))
            return await aside(call.size, partial(self._s.tracker.updated, new, live, call))

        create = None if not call.subresource else False
        return await self.update(change, call, uid=obj.metadata.uid, create=create)

    async def scale(self, change: Change, rules: Scale[Any], call: Call, *, uid: str = "") -> CachedObject:
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
        self, key: str, existing: CachedObject | None, change: Change, call: Call, uid: str, create: bool
    ) -> tuple[CachedObject, bool]:
        form = self._kind_store.forms[call.api_version]
        if uid:
            self._check_uid(key, existing, uid, call.dry_run)
        if existing is None:
            if not create:
                raise self._kind_store.not_found(call.name)
            obj = form.to_storage(await _awaited(change(None)))
            if obj.metadata.resource_version:
                obj = writing.with_meta(obj, resource_version="")
            obj = writing.place(obj, call.namespace)
            return await self._creator.admit_and_insert(obj, call, authorize=True), True
        call.size = max(call.size, len(existing.tail))
        wanted = await _awaited(change(form.from_storage(self._kind_store.strategy.live(existing.obj))))
        new = writing.place(form.to_storage(wanted), call.namespace)
        return await self._replace(existing, new, call), False

    def _check_uid(self, key: str, existing: CachedObject | None, wanted: str, dry_run: bool) -> None:
        """Raises StatusError (409). A dry run names the key below the store's own folder, as upstream."""
        uid = existing.obj.metadata.uid if existing is not None else ""
        if wanted == uid:
            return
        r = self._kind_store.resource
        shown = key.removeprefix("/registry") if dry_run else key
        told = (
            f"StorageError: invalid object, Code: 4, Key: {shown}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
        )
        raise errors.conflict(r.group, r.resource, key.rpartition("/")[2], told)

    async def _replace(self, existing: CachedObject, new: Any, call: Call) -> CachedObject:
        kind_store, old = self._kind_store, existing.obj
        write = kind_store.write(call)
        attributes = kind_store.attributes("UPDATE", call, new, old)
        await self._s.admission.admit(attributes)
        new, warning = writing.distinct_owners(attributes.obj, after_admission=True)
        call.warn(warning)
        new, hook = await kind_store.begin_update(self._expected(new, old), old, write)
        with Settling(hook, attributes):
            strategy, rules = kind_store.rules[call.api_version], self._rules(call.subresource)
            checked = partial(writing.before_update, strategy, new, old, write, rules, call.sent)
            new, warnings = await aside(call.size, checked)
            new = _without_mere_times(new, old)
            attributes.obj = new
            told(call, warnings)
            await self._s.admission.validate(attributes)
            if deleting.removable(kind_store.strategy, new, old):
                await self._remove(existing, call)
                kind = kind_store.stored_bytes
                return kind.of_value(existing.key, kind.value(new), existing.revision, new)
            return await kind_store.swap(existing, new, call)

    async def _remove(self, existing: CachedObject, call: Call) -> None:
        """Take out an object whose last finalizer goes. That somebody else did is no error: several may take away the
        last one. Raises Stale if it was changed."""
        kind_store = self._kind_store
        try:
            await kind_store.remove(existing, call)
        except Stale:
            latest = await kind_store.cache.get(existing.key)
            if latest is not None and latest.obj.metadata.uid == existing.obj.metadata.uid:
                raise

    def _expected(self, new: Any, old: Any) -> Any:
        """`new` with the live resourceVersion. Raises StatusError if it names another one, or must name one."""
        r, named = self._kind_store.resource, new.metadata.resource_version
        if named in ("", "0"):
            if not self._kind_store.strategy.allow_unconditional_update:
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
            return self._kind_store.strategy.status
        return self._kind_store.strategy.updates.get(subresource)


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
