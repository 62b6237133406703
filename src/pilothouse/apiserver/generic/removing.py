"""Deleting an object: now, later, or when its finalizers are gone."""

from __future__ import annotations

from functools import partial

from pilothouse.api.errors import StatusError
from pilothouse.api.types.meta.v1 import DeleteOptions, StatusDetails
from pilothouse.api.types.meta.v1 import Status as StatusBody
from pilothouse.apiserver.generic import deleting
from pilothouse.apiserver.generic.kind_store import KindStore, Stale
from pilothouse.apiserver.generic.storage import CachedObject
from pilothouse.apiserver.request.call import Call
from pilothouse.kit.aside import aside


class Overtaken(Stale):
    """Between our mark on an object and its removal somebody else wrote it; `marked` is the state with our mark."""

    def __init__(self, marked: CachedObject) -> None:
        self.marked = marked


class Remover:
    """Deletes objects of one kind."""

    def __init__(self, kind_store: KindStore) -> None:
        self._kind_store = kind_store
        self._s = kind_store.context

    async def delete(self, options: DeleteOptions, call: Call) -> tuple[CachedObject | StatusBody, bool]:
        """Delete as `options` say: the object or a Status, and True if it is gone at once. Raises StatusError."""
        await aside(call.size, partial(deleting.check_options, options))
        kind_store = self._kind_store
        key = kind_store.key(call.namespace, call.name)
        existing = kind_store.cache.peek(key) or await kind_store.cache.get(key)
        marked: CachedObject | None = None
        while True:
            if marked is not None and (existing is None or _uid(existing) != _uid(marked)):
                # Who removed it after our mark did what we were about to do; a namesake is none of our business.
                return self._answer(marked), True
            if existing is None:
                raise kind_store.not_found(call.name)
            try:
                return await self._once(existing, options, call)
            except Overtaken as overtaken:
                marked = overtaken.marked
                existing = await kind_store.cache.get(key)
            except Stale:
                existing = await kind_store.cache.get(key)
            except StatusError as error:
                latest = await kind_store.cache.get(key)
                if error.code != 409 or latest is None or latest.revision == existing.revision:
                    raise
                existing = latest

    async def _once(
        self, existing: CachedObject, options: DeleteOptions, call: Call
    ) -> tuple[CachedObject | StatusBody, bool]:
        kind_store, obj = self._kind_store, existing.obj
        call.size = max(call.size, len(existing.tail))
        attributes = kind_store.attributes("DELETE", call, None, obj)
        await self._s.admission.admit(attributes)
        step = deleting.decide(kind_store.strategy, obj, options, kind_store.write(call))
        await self._s.admission.validate(attributes)
        left = existing if step.store is None else await kind_store.swap(existing, step.store, call)
        if not step.remove:
            return left, False
        try:
            return self._answer(await kind_store.remove(left, call)), True
        except Stale:
            if step.store is None:
                raise
            raise Overtaken(left) from None

    def _answer(self, item: CachedObject) -> CachedObject | StatusBody:
        if self._kind_store.strategy.deletion.returns_object:
            return item
        r, meta = self._kind_store.resource, item.obj.metadata
        details = StatusDetails(name=meta.name, group=r.group, kind=r.resource, uid=meta.uid)
        return StatusBody(status="Success", details=details)


def _uid(item: CachedObject) -> str:
    uid: str = item.obj.metadata.uid
    return uid
