"""Deleting an object: now, later, or when its finalizers are gone."""

from __future__ import annotations

from functools import partial

from pilothouse.api.errors import StatusError
from pilothouse.api.types.meta.v1 import DeleteOptions, StatusDetails
from pilothouse.api.types.meta.v1 import Status as StatusBody
from pilothouse.apiserver.generic import deleting
from pilothouse.apiserver.generic.desk import Desk, Stale
from pilothouse.apiserver.generic.storage import Stored
from pilothouse.apiserver.request.call import Call
from pilothouse.kit.aside import aside


class Overtaken(Stale):
    """Between our mark on an object and its removal somebody else wrote it; `marked` is the state with our mark."""

    def __init__(self, marked: Stored) -> None:
        self.marked = marked


class Remover:
    """Deletes objects of one kind."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._s = desk.surroundings

    async def delete(self, options: DeleteOptions, call: Call) -> tuple[Stored | StatusBody, bool]:
        """Delete as `options` say: the object or a Status, and True if it is gone at once. Raises StatusError."""
        await aside(call.size, partial(deleting.check_options, options))
        desk = self._desk
        key = desk.key(call.namespace, call.name)
        existing = desk.cache.peek(key) or await desk.cache.get(key)
        marked: Stored | None = None
        while True:
            if marked is not None and (existing is None or _uid(existing) != _uid(marked)):
                # Who removed it after our mark did what we were about to do; a namesake is none of our business.
                return self._answer(marked), True
            if existing is None:
                raise desk.not_found(call.name)
            try:
                return await self._once(existing, options, call)
            except Overtaken as overtaken:
                marked = overtaken.marked
                existing = await desk.cache.get(key)
            except Stale:
                existing = await desk.cache.get(key)
            except StatusError as error:
                latest = await desk.cache.get(key)
                if error.code != 409 or latest is None or latest.revision == existing.revision:
                    raise
                existing = latest

    async def _once(self, existing: Stored, options: DeleteOptions, call: Call) -> tuple[Stored | StatusBody, bool]:
        desk, obj = self._desk, existing.obj
        call.size = max(call.size, len(existing.tail))
        attributes = desk.attributes("DELETE", call, None, obj)
        await self._s.admission.admit(attributes)
        step = deleting.decide(desk.strategy, obj, options, desk.write(call))
        await self._s.admission.validate(attributes)
        left = existing if step.store is None else await desk.swap(existing, step.store, call)
        if not step.remove:
            return left, False
        try:
            return self._answer(await desk.remove(left, call)), True
        except Stale:
            if step.store is None:
                raise
            raise Overtaken(left) from None

    def _answer(self, item: Stored) -> Stored | StatusBody:
        if self._desk.strategy.deletion.returns_object:
            return item
        r, meta = self._desk.resource, item.obj.metadata
        details = StatusDetails(name=meta.name, group=r.group, kind=r.resource, uid=meta.uid)
        return StatusBody(status="Success", details=details)


def _uid(item: Stored) -> str:
    uid: str = item.obj.metadata.uid
    return uid
