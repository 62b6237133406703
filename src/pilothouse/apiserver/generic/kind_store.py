"""What the writes of one kind share: its strategy, cache, forms and keys, and the settling of side effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pilothouse.api import errors
from pilothouse.api.codec.depth import TOLD, too_deep
from pilothouse.api.codec.json import longer_than
from pilothouse.api.errors import StatusError
from pilothouse.apiserver.admission.interface import Admission, Attributes, Operation
from pilothouse.apiserver.generic.emptiness import without_empty
from pilothouse.apiserver.generic.storage import Cache, CachedObject, ObjectCodec
from pilothouse.apiserver.generic.tracker import Tracker
from pilothouse.apiserver.generic.writing import with_meta
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.strategy import NOTHING, Hooks, ServedVersion, Strategy, Write, WriteHook
from pilothouse.kit.aside import LARGE, aside
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.seams.store import RevisionMismatch, StoreUnavailable

VALUE_LIMIT = 1536 * 1024
# What is so long is not even written to be measured: defaults make a hundred megabytes of three.
_FAR_TOO_LONG = 2 * VALUE_LIMIT


class Stale(Exception):
    """The item is not what the store has any more."""


@dataclass(frozen=True, slots=True)
class RegistryContext:
    """What every registry of a server works with."""

    clock: Clock
    chance: Chance
    admission: Admission
    tracker: Tracker


class KindStore:
    """One stored kind, as those who create, update and delete it see it."""

    def __init__(
        self,
        strategy: Strategy[Any],
        cache: Cache,
        context: RegistryContext,
        hooks: Hooks | None = None,
        form: ObjectCodec | None = None,
    ) -> None:
        self.strategy = strategy
        self.resource = strategy.resource
        self.cache = cache
        self.hooks = hooks
        self.context = context
        self.own = ServedVersion(strategy.type, _same, _same, strategy.defaults, strategy.field_aliases)
        self.forms = {self.resource.api_version: self.own, **strategy.versions}
        self.rules = {v: replace(strategy, **form.rules) if form.rules else strategy for v, form in self.forms.items()}
        self.bytes = {version: ObjectCodec(form.type) for version, form in self.forms.items()}
        self.stored_bytes = self.bytes[self.resource.api_version] = form or ObjectCodec(strategy.type, strategy.fields)
        self.prefix = f"/registry/{strategy.prefix}/"

    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}{namespace}/{name}" if namespace else self.prefix + name

    def not_found(self, name: str) -> StatusError:
        return errors.not_found(self.resource.group, self.resource.resource, name)

    def write(self, call: Call) -> Write:
        return Write(call.user, self.context.clock.now(), call.subresource, call.dry_run)

    def attributes(self, operation: Operation, call: Call, obj: Any, old: Any) -> Attributes:
        """The write as admission sees it."""
        r = self.resource
        return Attributes(
            operation=operation,
            group=r.group,
            version=r.version,
            resource=r.resource,
            kind=r.kind,
            user=call.user,
            subresource=call.subresource,
            namespace=call.namespace,
            name=call.name or (obj.metadata.name if obj is not None else ""),
            obj=obj,
            old_obj=old,
            options=call.options,
            dry_run=call.dry_run,
            warnings=call.warnings,
            size=call.size,
        )

    async def begin_create(self, obj: Any, write: Write) -> tuple[Any, WriteHook]:
        """Subresources that create (a Service's status, when applied) do it without side effects, as upstream."""
        if self.hooks is None or write.subresource:
            return obj, NOTHING
        return await self.hooks.begin_create(obj, write)

    async def begin_update(self, new: Any, old: Any, write: Write) -> tuple[Any, WriteHook]:
        return (new, NOTHING) if self.hooks is None else await self.hooks.begin_update(new, old, write)

    def value(self, obj: Any, size: int = 0) -> tuple[bytes, Any]:
        """The bytes to store, and the object as they hold it. Raises StatusError: 500 if they are more than a store
        takes, 400 if they are nested so deeply that not everybody could read them. managedFields, which may be large
        and deep, are given up first. `size`: about how much there is to work on."""
        if size >= LARGE and longer_than(with_meta(obj, managed_fields=()), _FAR_TOO_LONG):
            raise _too_large()
        value = self.stored_bytes.value(obj)
        if b":[]" in value:
            obj = without_empty(obj)
            value = self.stored_bytes.value(obj)
        if len(value) > VALUE_LIMIT:
            obj = with_meta(obj, managed_fields=())
            value = self.stored_bytes.value(obj)
            if len(value) > VALUE_LIMIT:
                raise _too_large()
        if too_deep(value):
            obj = with_meta(obj, managed_fields=())
            value = self.stored_bytes.value(obj)
            if too_deep(value):
                raise errors.bad_request(TOLD)
        return value, obj

    async def swap(self, existing: CachedObject, new: Any, call: Call) -> CachedObject:
        """Store `new` in place of `existing`; without a change nothing is written. Raises Stale, StatusError."""
        kind = self.stored_bytes
        value, new = await aside(call.size, partial(self.value, new, call.size))
        if call.dry_run:
            return kind.of_value(existing.key, value, existing.revision, new)
        if kind.tail(value, existing.revision) == existing.tail:
            return existing
        try:
            return await self.cache.replace(existing.key, value, existing.revision, new)
        except RevisionMismatch as error:
            raise Stale from error
        except StoreUnavailable as error:
            raise unavailable(error) from None

    async def remove(self, item: CachedObject, call: Call) -> CachedObject:
        """Take `item` out of the store. Raises Stale, StatusError."""
        if call.dry_run:
            return item
        try:
            gone = await self.cache.delete(item.key, item.revision)
        except RevisionMismatch as error:
            raise Stale from error
        except StoreUnavailable as error:
            raise unavailable(error) from None
        if self.hooks is not None:
            await self.hooks.after_delete(item.obj, self.write(call))
        return gone


class Settling:
    """Commits the side effects of a write when the block ends well; takes them back if it fails, or was a dry run.
    Admission hears of the end."""

    __slots__ = ("_attributes", "_hook")

    def __init__(self, hook: WriteHook, attributes: Attributes) -> None:
        self._hook, self._attributes = hook, attributes

    def __enter__(self) -> None: ...

    def __exit__(self, failure: type[BaseException] | None, *rest: object) -> None:
        attributes, hook = self._attributes, self._hook
        attributes.end()
        if failure is None and not attributes.dry_run:
            hook.commit()
        else:
            hook.revert()


def told(call: Call, warnings: Sequence[str]) -> None:
    for text in warnings:
        call.warn(text)


def _too_large() -> StatusError:
    return errors.make(500, "", "etcdserver: request is too large")


def unavailable(error: StoreUnavailable) -> StatusError:
    return errors.make(500, "", str(error))


def _same(obj: Any) -> Any:
    return obj
