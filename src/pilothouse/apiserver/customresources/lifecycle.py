"""What becomes of definitions after they were written: names are settled, and with a definition go its objects."""

from __future__ import annotations

import asyncio
import logging

from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition, CustomResourceDefinitionCondition
from pilothouse.api.types.meta.v1 import DeleteOptions
from pilothouse.apiserver.customresources.registry import CustomResourceRegistries
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.generic.storage import SelectionPredicate
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.apiextensions.customresourcedefinition import FINALIZER
from pilothouse.kinds.apiextensions.naming import decided, with_condition
from pilothouse.kit import guard
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import Client, MergePatch

log = logging.getLogger(__name__)
_RETRY = 1.0
_PATIENCE = 5.0
_LOOK_AGAIN = 0.5
Condition = CustomResourceDefinitionCondition
Crd = CustomResourceDefinition


class Lifecycle:
    """Works on the definitions that changed, one after the other."""

    def __init__(
        self, registries: CustomResourceRegistries, reader: Reader, client: Client, call: Call, clock: Clock
    ) -> None:
        self._registries = registries
        self._reader = reader
        self._client = client
        self._call = call
        self._clock = clock
        self._waiting: dict[str, None] = {}
        self._changed = asyncio.Event()

    def definition_changed(self, old: Crd | None, new: Crd | None) -> None:
        """An observer of the definitions. Names that one gives up may be what another waits for."""
        if new is not None:
            self._waiting[new.metadata.name] = None
        crd = new or old
        if crd is not None and (new is None or new.status.accepted_names != crd.spec.names or old is None):
            for other in self._reader.list(Crd):
                if other.spec.group == crd.spec.group and other.spec.names != other.status.accepted_names:
                    self._waiting[other.metadata.name] = None
        self._changed.set()

    async def run(self) -> None:
        """A task of the server; ends by cancellation."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            again: dict[str, None] = {}
            while self._waiting:
                name = next(iter(self._waiting))
                del self._waiting[name]
                if await guard.result("custom resource", name, self._settled(name)) is not True:
                    again[name] = None
            if again:
                await self._look_again(again)

    async def _look_again(self, names: dict[str, None]) -> None:
        try:
            async with self._clock.timeout(_LOOK_AGAIN):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._waiting |= names
        self._changed.set()

    async def _settled(self, name: str) -> bool:
        try:
            return await self.settle(name)
        except StatusError as error:
            if error.code in (404, 409):
                return True
            log.warning("cannot settle %s: %s", name, error)
            return False

    async def settle(self, name: str) -> bool:
        """One round with one definition; False if there is more to do later. Raises StatusError."""
        crd = self._reader.get(Crd, name)
        if crd is None:
            return True
        if crd.metadata.deletion_timestamp is not None:
            if FINALIZER not in crd.metadata.finalizers:
                return True
            if name in self._registries.served:
                # Creates are refused by the definition as it is now, and a changed spec may not have been compiled yet.
                await self._registries.problem(crd)
            return await self._empty(crd)
        problem = await self._registries.problem(crd)
        group = [other for other in self._reader.list(Crd) if other.spec.group == crd.spec.group]
        status = decided(crd, group, self._clock.now(), problem)
        if status != crd.status:
            await self._client.update(replace(crd, status=status), subresource="status")
        return True

    async def _empty(self, crd: Crd) -> bool:
        """Delete what there is of a definition that goes; True when it is gone."""
        served = self._registries.served.get(crd.metadata.name)
        if served is not None:
            crd = await self._told(crd, "InstanceDeletionInProgress", "CustomResource deletion is in progress", "True")
            # From here on creates are refused; those that were let in before must be seen.
            try:
                async with self._clock.timeout(_PATIENCE):
                    await self._registries.creates.settled(crd.metadata.name)
            except TimeoutError:
                return False
            if not await self._delete_all(served.stored):
                return False
        crd = await self._told(crd, "InstanceDeletionCompleted", "removed all instances", "False")
        kept = [finalizer for finalizer in crd.metadata.finalizers if finalizer != FINALIZER]
        body = {"metadata": {"finalizers": kept or None, "resourceVersion": crd.metadata.resource_version}}
        await self._client.patch(Crd, crd.metadata.name, "", MergePatch(body))
        return True

    async def _delete_all(self, registry: Registry) -> bool:
        """Delete every object; True if none is left."""
        for item in (await registry.cache.list(SelectionPredicate())).items:
            meta = item.obj.metadata
            if meta.deletion_timestamp is not None:
                continue
            call = replace_call(self._call, registry, meta.namespace, meta.name)
            try:
                await registry.delete(DeleteOptions(), call)
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
        return not (await registry.cache.list(SelectionPredicate(), limit=1)).items

    async def _told(self, crd: Crd, reason: str, message: str, status: str) -> Crd:
        wanted = Condition(type="Terminating", status=status, reason=reason, message=message)
        held = crd.status.conditions or ()
        found = with_condition(held, wanted, self._clock.now())
        if found == held:
            return crd
        return await self._client.update(
            replace(crd, status=replace(crd.status, conditions=found)), subresource="status"
        )


def replace_call(call: Call, registry: Registry, namespace: str, name: str) -> Call:
    """The call about one object."""
    return Call(
        user=call.user, api_version=registry.resource.api_version, namespace=namespace, name=name, manager=call.manager
    )
