"""The client inside the API server's process: typed objects in and out, no bytes between; authorization, admission and
validation are those of any other client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from pilothouse.api import errors, scheme
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.object import Object
from pilothouse.api.selectors import SelectorError, parse_fields
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.api.types.meta.v1 import DeleteOptions, ListOptions, PartialObjectMetadata, Preconditions
from pilothouse.apiserver.authz.access import fields_of_text
from pilothouse.apiserver.discovery.documents import grouped
from pilothouse.apiserver.endpoints.resource import ResourceEndpoint
from pilothouse.apiserver.endpoints.revisions import gone, too_large
from pilothouse.apiserver.endpoints.served import Served
from pilothouse.apiserver.endpoints.unreadable import check_emptied
from pilothouse.apiserver.gatekeeper import Gatekeeper
from pilothouse.apiserver.generic.kind_store import unavailable
from pilothouse.apiserver.generic.patching import PatchKind
from pilothouse.apiserver.generic.scaling import scale_of
from pilothouse.apiserver.generic.storage import CachedObject, CacheEvent, SelectionPredicate
from pilothouse.apiserver.request.access import Access
from pilothouse.apiserver.request.call import Call
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import (
    ApplyPatch,
    JSONPatch,
    ListPage,
    MergePatch,
    Patch,
    WatchEvent,
)
from pilothouse.seams.store import Compacted, FutureRevision, StoreUnavailable

K = TypeVar("K", bound=Object)
A = TypeVar("A", bound=Struct)
MANAGER = "pilothouse"
CONTROLLERS = "system:serviceaccount:kube-system:"

# Events of one watch that are taken in before others have their turn.
_TURN = 32


class LocalClient:
    """A `machinery.client.Client` that acts as `user`."""

    def __init__(self, served: Served, gatekeeper: Gatekeeper, clock: Clock, user: UserInfo) -> None:
        self.served = served
        self._gatekeeper = gatekeeper
        self._clock = clock
        self._user = user
        self._metadata = LocalMetadataClient(self)

    @property
    def metadata(self) -> LocalMetadataClient:
        return self._metadata

    def authorize(
        self, verb: str, endpoint: ResourceEndpoint, namespace: str, name: str, subresource: str = "", fields: str = ""
    ) -> None:
        """Raises StatusError (403). `fields` is the field selector of a list or watch."""
        r = endpoint.resource
        access = Access(
            self._user, verb, r.group, r.version, r.resource, subresource, namespace, name or _named(fields)
        )
        self._gatekeeper.authorize(access._replace(field_selector=fields_of_text(fields)) if fields else access)

    def call(
        self, endpoint: ResourceEndpoint, namespace: str, name: str, subresource: str = "", dry_run: bool = False
    ) -> Call:
        return Call(
            user=self._user,
            api_version=endpoint.api_version,
            authorize_create=lambda: self.authorize("create", endpoint, namespace, name, subresource),
            namespace=namespace,
            name=name,
            subresource=subresource,
            dry_run=dry_run,
            manager=_manager(self._user),
        )

    async def get(self, kind: type[K], name: str, namespace: str = "") -> K:
        endpoint = self.served.endpoints[kind]
        self.authorize("get", endpoint, namespace, name)
        return _typed(endpoint, await endpoint.registry.get(namespace, name), kind)

    async def list(
        self,
        kind: type[K],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ListPage[K]:
        endpoint = self.served.endpoints[kind]
        self.authorize("list", endpoint, namespace, "", fields=field_selector)
        options = ListOptions(
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            continue_=continue_token,
            resource_version=resource_version,
        )
        return await self.page(endpoint, namespace, options)

    async def page(self, endpoint: ResourceEndpoint, namespace: str, options: ListOptions) -> ListPage[Any]:
        interest = endpoint.selected(namespace, "", options)
        page = await endpoint.page(interest, options)
        token = endpoint.token(interest, page)
        return ListPage([_typed(endpoint, item, endpoint.form.type) for item in page.items], str(page.revision), token)

    @asynccontextmanager
    async def watch(
        self,
        kind: type[K],
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int | None = None,
    ) -> AsyncIterator[AsyncIterator[WatchEvent[K]]]:
        endpoint = self.served.endpoints[kind]
        self.authorize("watch", endpoint, namespace, "", fields=field_selector)
        options = ListOptions(label_selector=label_selector, field_selector=field_selector)
        interest = endpoint.selected(namespace, "", options)
        events = self._events(endpoint, interest, resource_version, timeout_seconds)
        try:
            yield events
        finally:
            await events.aclose()

    async def _events(
        self, endpoint: ResourceEndpoint, interest: SelectionPredicate, resource_version: str, seconds: int | None
    ) -> Any:
        """An async generator of WatchEvents."""
        clock = self._clock
        revision = int(resource_version) if resource_version else -1
        try:
            stream = await endpoint.registry.cache.watch(interest, revision, initial=revision <= 0)
        except Compacted as error:
            raise gone(revision, error) from None
        except FutureRevision as error:
            raise too_large(revision, error.current_revision) from None
        except StoreUnavailable as error:
            raise unavailable(error) from None
        end = clock.monotonic() + (seconds or 1800)
        try:
            while (left := end - clock.monotonic()) > 0:
                try:
                    async with clock.timeout(left):
                        changes = await stream.next()
                except TimeoutError:
                    return
                for number, change in enumerate(changes, start=1):
                    yield self._event(endpoint, change)
                    if number % _TURN == 0:
                        await clock.sleep(0)
        except Compacted as error:
            raise gone(stream.revision, error) from None
        except StoreUnavailable:
            return  # the watch has ended: that of a custom resource does when its definition changes
        finally:
            stream.close()

    def _event(self, endpoint: ResourceEndpoint, change: CacheEvent) -> WatchEvent[Any]:
        if change.item is not None:
            return WatchEvent(change.type, _typed(endpoint, change.item, endpoint.form.type))
        empty = endpoint.form.type()
        meta = msgspec.structs.replace(empty.metadata, resource_version=str(change.revision))
        return WatchEvent("BOOKMARK", msgspec.structs.replace(empty, metadata=meta))

    async def create(self, obj: K, *, dry_run: bool = False) -> K:
        if type(obj) not in self.served.endpoints:
            return await _asked(self.served, self._gatekeeper, self._user, obj)
        endpoint = self.served.endpoints[type(obj)]
        meta = obj.metadata
        self.authorize("create", endpoint, meta.namespace, "")
        call = self.call(endpoint, meta.namespace, "", dry_run=dry_run)
        return _typed(endpoint, await endpoint.registry.create(obj, call), type(obj))

    async def update(self, obj: K, *, subresource: str = "") -> K:
        endpoint = self.served.endpoints[type(obj)]
        meta = obj.metadata
        self.authorize("update", endpoint, meta.namespace, meta.name, subresource)
        call = self.call(endpoint, meta.namespace, meta.name, subresource)
        item, _created = await endpoint.registry.put(obj, call)
        return _typed(endpoint, item, type(obj))

    async def patch(self, kind: type[K], name: str, namespace: str, patch: Patch, *, subresource: str = "") -> K:
        endpoint = self.served.endpoints[kind]
        return _typed(endpoint, await self.patched(endpoint, name, namespace, patch, subresource), kind)

    async def patched(
        self, endpoint: ResourceEndpoint, name: str, namespace: str, patch: Patch, subresource: str
    ) -> CachedObject:
        self.authorize("patch", endpoint, namespace, name, subresource)
        call = self.call(endpoint, namespace, name, subresource)
        kind, body, force = _written(patch, call)
        item, _created = await endpoint.patcher.patch(endpoint.registry, kind, body, call, force)
        return item

    async def delete(
        self,
        kind: type[K],
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation_policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        options = DeleteOptions(
            grace_period_seconds=grace_period_seconds,
            propagation_policy=propagation_policy,
            preconditions=Preconditions(uid=uid, resource_version=resource_version)
            if uid or resource_version
            else None,
        )
        await self.remove(self.served.endpoints[kind], name, namespace, options)

    async def remove(self, endpoint: ResourceEndpoint, name: str, namespace: str, options: DeleteOptions) -> None:
        self.authorize("delete", endpoint, namespace, name)
        await endpoint.registry.delete(options, self.call(endpoint, namespace, name))

    async def delete_collection(
        self, kind: type[K], namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> None:
        options = ListOptions(label_selector=label_selector, field_selector=field_selector)
        await self.remove_all(self.served.endpoints[kind], namespace, options)

    async def remove_all(self, endpoint: ResourceEndpoint, namespace: str, options: ListOptions) -> None:
        self.authorize("deletecollection", endpoint, namespace, "")
        page = await endpoint.page(endpoint.selected(namespace, "", options), options)
        for item in page.items:
            meta = item.obj.metadata
            try:
                call = self.call(endpoint, meta.namespace, meta.name)
                await endpoint.registry.delete(DeleteOptions(), call)
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
        check_emptied(endpoint.registry, namespace)

    async def get_subresource(self, kind: type[K], name: str, namespace: str, subresource: str, answer: type[A]) -> A:
        if subresource != "scale":
            raise errors.bad_request(f"{subresource} cannot be read in the process")
        found: Any = await _scale(self, self.served.endpoints[kind], name, namespace)
        shown: A = found
        return shown

    async def create_subresource(
        self, kind: type[K], name: str, namespace: str, subresource: str, body: Struct, answer: type[A]
    ) -> A:
        endpoint = self.served.endpoints[kind]
        self.authorize("create", endpoint, namespace, name, subresource)
        action = self.served.action(endpoint.resource, subresource)
        found: Any = await action.run(body, self.call(endpoint, namespace, name, subresource))
        shown: A = found
        return shown


class LocalMetadataClient:
    """The `MetadataClient` beside a LocalClient."""

    def __init__(self, client: LocalClient) -> None:
        self._client = client

    def _endpoint(self, resource: Resource) -> ResourceEndpoint:
        found = self._client.served.by_resource.get((resource.group, resource.version, resource.resource))
        if found is None:
            raise errors.not_found(resource.group, resource.resource, "")
        return found

    async def resources(self) -> Sequence[Resource]:
        groups = grouped(self._client.served.router.resources())
        return [r for versions in groups.values() for resources in versions.values() for r in resources]

    async def get(self, resource: Resource, name: str, namespace: str = "") -> PartialObjectMetadata:
        endpoint = self._endpoint(resource)
        self._client.authorize("get", endpoint, namespace, name)
        return _partial(await endpoint.registry.get(namespace, name))

    async def list(
        self, resource: Resource, namespace: str = "", *, limit: int = 0, continue_token: str = ""
    ) -> ListPage[PartialObjectMetadata]:
        endpoint = self._endpoint(resource)
        self._client.authorize("list", endpoint, namespace, "")
        options = ListOptions(limit=limit, continue_=continue_token)
        interest = endpoint.selected(namespace, "", options)
        page = await endpoint.page(interest, options)
        return ListPage([_partial(i) for i in page.items], str(page.revision), endpoint.token(interest, page))

    @asynccontextmanager
    async def watch(
        self, resource: Resource, namespace: str = "", *, resource_version: str = ""
    ) -> AsyncIterator[AsyncIterator[WatchEvent[PartialObjectMetadata]]]:
        endpoint = self._endpoint(resource)
        self._client.authorize("watch", endpoint, namespace, "")
        events = self._client._events(endpoint, SelectionPredicate(namespace), resource_version, None)
        partial = self._partial_events(events)
        try:
            yield partial
        finally:
            await events.aclose()

    @staticmethod
    async def _partial_events(events: Any) -> AsyncIterator[WatchEvent[PartialObjectMetadata]]:
        async for event in events:
            yield WatchEvent(event.type, PartialObjectMetadata(metadata=event.object.metadata))

    async def patch(
        self, resource: Resource, name: str, namespace: str, patch: Patch, *, subresource: str = ""
    ) -> PartialObjectMetadata:
        item = await self._client.patched(self._endpoint(resource), name, namespace, patch, subresource)
        return _partial(item)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation_policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        options = DeleteOptions(
            propagation_policy=propagation_policy,
            preconditions=Preconditions(uid=uid, resource_version=resource_version)
            if uid or resource_version
            else None,
        )
        await self._client.remove(self._endpoint(resource), name, namespace, options)

    async def delete_collection(self, resource: Resource, namespace: str = "") -> None:
        await self._client.remove_all(self._endpoint(resource), namespace, ListOptions())

    async def scale(self, resource: Resource, name: str, namespace: str) -> Scale:
        return await _scale(self._client, self._endpoint(resource), name, namespace)


def _named(field_selector: str) -> str:
    """The one object that a field selector chooses by name: lists and watches of it are authorized under that name."""
    try:
        return parse_fields(field_selector).exactly("metadata.name") or ""
    except SelectorError:
        return ""


async def _asked(served: Served, gatekeeper: Gatekeeper, user: UserInfo, question: K) -> K:
    """The answer to an object that is a question and is not kept (the reviews)."""
    r, namespace = scheme.resource_of(type(question)), question.metadata.namespace
    gatekeeper.authorize(Access(user, "create", r.group, r.version, r.resource, "", namespace, ""))
    call = Call(user=user, api_version=r.api_version, namespace=namespace)
    found: Any = await served.action(r, "").run(question, call)
    answer: K = found
    return answer


async def _scale(client: LocalClient, endpoint: ResourceEndpoint, name: str, namespace: str) -> Scale:
    client.authorize("get", endpoint, namespace, name, "scale")
    rules = endpoint.registry.strategy.scale
    if rules is None:
        raise errors.not_found(endpoint.resource.group, endpoint.resource.resource, name)
    return scale_of(rules, (await endpoint.registry.get(namespace, name)).obj)


def _typed(endpoint: ResourceEndpoint, item: CachedObject, kind: type[K]) -> K:
    """The object of an item in the endpoint's version, which is `kind`."""
    found: K = item.obj if endpoint.own else endpoint.form.from_storage(item.obj)
    return found


def _partial(item: CachedObject) -> PartialObjectMetadata:
    return PartialObjectMetadata(metadata=item.obj.metadata)


def _manager(user: UserInfo) -> str:
    """The field manager of a component: what its user is called, without prefix; all controllers write as the one
    program that they are upstream."""
    if user.username.startswith(CONTROLLERS):
        return "kube-controller-manager"
    if user.username == "system:apiserver":
        return "kube-apiserver"
    return user.username.rpartition(":")[2] or MANAGER


def _written(patch: Patch, call: Call) -> tuple[PatchKind, bytes, bool | None]:
    """The patch as a client would send it."""
    if isinstance(patch, JSONPatch):
        return "json", msgspec.json.encode(patch.operations), None
    if isinstance(patch, MergePatch):
        return "merge", msgspec.json.encode(patch.body), None
    if isinstance(patch, ApplyPatch):
        call.manager = patch.field_manager
        return "apply", msgspec.json.encode(patch.body), patch.force
    return "strategic", msgspec.json.encode(patch.body), None
