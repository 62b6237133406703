"""The client that controllers, scheduler, kubelet and tests hold.

A refusal is `pilothouse.api.errors.StatusError`; a server that cannot be reached, or a connection that broke, is
`TransportError` (whether a write was done is then unknown). Nothing else is raised; both are in `CLIENT_ERRORS`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from msgspec import Struct

from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.object import Object
from pilothouse.api.types.autoscaling.v1 import Scale
from pilothouse.api.types.meta.v1 import PartialObjectMetadata

K = TypeVar("K", bound=Object)
A = TypeVar("A", bound=Struct)
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]


class TransportError(OSError):
    """The server was not reached, or the connection broke before the answer was complete."""


CLIENT_ERRORS = (StatusError, TransportError)


@dataclass(frozen=True, slots=True)
class JSONPatch:
    """RFC 6902 operations."""

    operations: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MergePatch:
    """RFC 7386: a JSON object; None deletes."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StrategicMergePatch:
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApplyPatch:
    """Server-side apply by `field_manager`."""

    body: dict[str, Any]
    field_manager: str
    force: bool = False


Patch = JSONPatch | MergePatch | StrategicMergePatch | ApplyPatch


@dataclass(frozen=True, slots=True)
class ListPage(Generic[K]):
    items: Sequence[K]
    resource_version: str
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[K]):
    """A change; of a BOOKMARK only `object.metadata.resource_version` (and annotations) mean something."""

    type: EventType
    object: K


class MetadataClient(Protocol):
    """Access to the metadata of any resource, custom ones included, for those who treat all alike (garbage collector,
    namespace lifecycle). Errors and meanings are those of `Client`."""

    async def resources(self) -> Sequence[Resource]:
        """What discovery tells now: every served resource, custom ones included, in each of its versions; of a group
        the preferred version first."""
        ...

    async def get(self, resource: Resource, name: str, namespace: str = "") -> PartialObjectMetadata: ...

    async def list(
        self, resource: Resource, namespace: str = "", *, limit: int = 0, continue_token: str = ""
    ) -> ListPage[PartialObjectMetadata]: ...

    def watch(
        self, resource: Resource, namespace: str = "", *, resource_version: str = ""
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[PartialObjectMetadata]]]: ...

    async def patch(
        self, resource: Resource, name: str, namespace: str, patch: Patch, *, subresource: str = ""
    ) -> PartialObjectMetadata: ...

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        propagation_policy: str | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None: ...

    async def delete_collection(self, resource: Resource, namespace: str = "") -> None: ...

    async def scale(self, resource: Resource, name: str, namespace: str) -> Scale:
        """The object's subresource `scale`; NotFound (404) also where the resource has none."""
        ...


class Client(Protocol):
    """Typed access to every served kind. Objects are immutable and may be shared with others: make a changed copy
    (`msgspec.structs.replace`) and write that. `namespace=""` means cluster-scoped, or all namespaces when listing."""

    @property
    def metadata(self) -> MetadataClient:
        """The same door for resources that are known by their `Resource` only."""
        ...

    async def get(self, kind: type[K], name: str, namespace: str = "") -> K: ...

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
    ) -> ListPage[K]: ...

    def watch(
        self,
        kind: type[K],
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[K]]]:
        """Changes after `resource_version`, bookmarks included; ends when the server closes it. An expired version
        raises StatusError with code 410 from the iterator."""
        ...

    async def create(self, obj: K, *, dry_run: bool = False) -> K:
        """Create in `obj.metadata.namespace`."""
        ...

    async def update(self, obj: K, *, subresource: str = "") -> K:
        """PUT; `obj.metadata.resource_version`, if set, is the precondition."""
        ...

    async def patch(self, kind: type[K], name: str, namespace: str, patch: Patch, *, subresource: str = "") -> K: ...

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
    ) -> None: ...

    async def delete_collection(
        self, kind: type[K], namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> None: ...

    async def get_subresource(self, kind: type[K], name: str, namespace: str, subresource: str, answer: type[A]) -> A:
        """GET a subresource whose body is another kind (scale), decoded as `answer`."""
        ...

    async def create_subresource(
        self, kind: type[K], name: str, namespace: str, subresource: str, body: Struct, answer: type[A]
    ) -> A:
        """POST `body` to a subresource (binding, eviction, token); the answer is decoded as `answer` (or a Status)."""
        ...
