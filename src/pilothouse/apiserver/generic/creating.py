"""Creating an object: admission, metadata, validation, and the store."""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.codec.json import longer_than
from pilothouse.api.errors import StatusError
from pilothouse.apiserver.admission.interface import Attributes
from pilothouse.apiserver.generic import writing
from pilothouse.apiserver.generic.kind_store import VALUE_LIMIT, KindStore, Settling, told, unavailable
from pilothouse.apiserver.generic.storage import CachedObject, MalformedValue
from pilothouse.apiserver.request.call import Call
from pilothouse.kit.aside import LARGE, aside
from pilothouse.seams.store import KeyExists, KeyValue, StoreUnavailable

NAME_ATTEMPTS = 8


def _is_version(text: str) -> bool:
    """Whether a new object names a version that something could have: other texts are passed over."""
    return text.isascii() and text.isdigit() and int(text[-21:]) > 0 and len(text) < 21


class Creator:
    """Creates objects of one kind."""

    def __init__(self, kind_store: KindStore) -> None:
        self._kind_store = kind_store
        self._s = kind_store.context

    async def create(self, obj: Any, call: Call) -> CachedObject:
        """Create `obj` (of the call's version, decoded only). Raises StatusError."""
        obj, warning = writing.distinct_owners(writing.place(obj, call.namespace))
        call.warn(warning)
        form, sent = self._kind_store.forms[call.api_version], writing.wiped(obj)
        read = form.defaults if form is self._kind_store.own else form.read

        def made() -> Any:
            obj = read(sent)
            # What no store takes will be seen by nobody, whoever owns its fields.
            storable = call.size < LARGE or not longer_than(sent, VALUE_LIMIT)
            return form.to_storage(self._s.tracker.created(obj, call) if storable else obj)

        obj = await aside(call.size, made)
        return await self.admit_and_insert(obj, call)

    async def admit_and_insert(self, obj: Any, call: Call, *, authorize: bool = False) -> CachedObject:
        """Create `obj`, which is defaulted, tracked and in the storage version. `authorize`: the call was allowed to
        update, and must be allowed to create besides. Raises StatusError."""
        attributes = self._kind_store.attributes("CREATE", call, obj, None)
        await self._s.admission.admit(attributes)
        obj, warning = writing.distinct_owners(attributes.obj, after_admission=True)
        attributes.obj = obj
        call.warn(warning)
        generated = bool(obj.metadata.generate_name) and not obj.metadata.name
        attempt = 1
        while True:
            try:
                return await self._insert(obj, attributes, call, authorize)
            except StatusError as error:
                if not generated or error.reason != "AlreadyExists" or attempt == NAME_ATTEMPTS:
                    raise
                attempt += 1

    async def _insert(self, obj: Any, attributes: Attributes, call: Call, authorize: bool) -> CachedObject:
        kind_store = self._kind_store
        write = kind_store.write(call)
        obj = writing.system_metadata(obj, write.now, self._s.chance)
        obj, hook = await kind_store.begin_create(obj, write)
        with Settling(hook, attributes):
            checked = partial(writing.before_create, kind_store.rules[call.api_version], obj, write, call.sent)
            obj, warnings = await aside(call.size, checked)
            attributes.obj, attributes.name = obj, obj.metadata.name
            told(call, warnings)
            if authorize:
                call.authorize_create()
            await self._s.admission.validate(attributes)
            if _is_version(obj.metadata.resource_version):
                raise errors.make(500, "", "resourceVersion should not be set on objects to be created")
            return await self._put(obj, call)

    async def _put(self, obj: Any, call: Call) -> CachedObject:
        kind_store = self._kind_store
        kind = kind_store.stored_bytes
        key = kind_store.key(obj.metadata.namespace, obj.metadata.name)
        value, obj = await aside(call.size, partial(kind_store.value, obj, call.size))
        if call.dry_run:
            current = await kind_store.cache.get(key)
            if current is not None:
                raise self._exists(current.obj)
            return kind.of_value(key, value, 0, unstored=obj.metadata.resource_version)
        try:
            return await kind_store.cache.create(key, value, obj)
        except KeyExists as found:
            raise self._taken(key, obj.metadata.name, found.current) from None
        except StoreUnavailable as error:
            raise unavailable(error) from None

    def _taken(self, key: str, name: str, current: KeyValue) -> StatusError:
        try:
            there = self._kind_store.stored_bytes.of_value(key, current.value, current.mod_revision).obj
        except (MalformedValue, StatusError, RecursionError):  # what is there cannot be read, but it is there
            return errors.already_exists(self._kind_store.resource.group, self._kind_store.resource.resource, name)
        return self._exists(there)

    def _exists(self, current: Any) -> StatusError:
        r = self._kind_store.resource
        error = errors.already_exists(r.group, r.resource, current.metadata.name)
        if current.metadata.deletion_timestamp is None:
            return error
        return StatusError(replace(error.status, message=f"object is being deleted: {error.status.message}"))
