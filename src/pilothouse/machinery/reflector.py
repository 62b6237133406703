"""Keeps a sink equal to what the server has: list once, then watch; resume after a break, list again after a 410.

The sink sees one `replace` per list and one `apply` per change, in the server's order. A list comes in pages taken at
one revision, so the sink never sees a mixture.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Protocol, TypeVar

from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.object import Object
from pilothouse.kit import guard
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.machinery.backoff import Backoff
from pilothouse.machinery.client.interface import CLIENT_ERRORS, ListPage, MetadataClient, TransportError, WatchEvent

K = TypeVar("K", bound=Object)
log = logging.getLogger(__name__)

PAGE = 500
# A watch is renewed after five to ten minutes, so that servers can rebalance and a dead connection is noticed.
WATCH_SECONDS = 300
GONE = 410
TURN = 64
"""Events that are applied in a row: of a watch within the process hundreds may be there at once."""


class Sink(Protocol[K]):
    """Where a reflector puts what it sees. Called on the loop; what `apply` raises is that change's loss alone."""

    def replace(self, items: Sequence[K], resource_version: str) -> None:
        """`items` are all there is at `resource_version`."""
        ...

    def apply(self, event: WatchEvent[K]) -> None:
        """One change, or a bookmark."""
        ...


class Source(Protocol):
    """The part of a client that a reflector needs."""

    async def list(
        self,
        kind: type[K],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
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
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[K]]]: ...


class MetadataSource:
    """A source of the metadata of one resource, which need not be of a known kind."""

    def __init__(self, client: MetadataClient, resource: Resource) -> None:
        self._client = client
        self._resource = resource

    async def list(
        self, kind: type[Any], namespace: str = "", *, limit: int = 0, continue_token: str = "", **_: str
    ) -> ListPage[Any]:
        return await self._client.list(self._resource, namespace, limit=limit, continue_token=continue_token)

    def watch(
        self, kind: type[Any], namespace: str = "", *, resource_version: str = "", **_: Any
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent[Any]]]:
        return self._client.watch(self._resource, namespace, resource_version=resource_version)


class Reflector(Generic[K]):
    """Mirrors the objects of `kind` (in `namespace`, or all) that the selectors choose into `sink`."""

    def __init__(
        self,
        client: Source,
        kind: type[K],
        sink: Sink[K],
        clock: Clock,
        chance: Chance,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        self._client = client
        self._kind = kind
        self._sink = sink
        self._chance = chance
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._clock = clock
        self._backoff = Backoff(clock, chance)
        self._version = ""

    async def run(self) -> None:
        """Mirror until cancelled."""
        await guard.lasting("informer", self._mirror, self._clock)

    async def _mirror(self) -> None:
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except CLIENT_ERRORS as error:
                await self._recover(error)

    async def _recover(self, error: StatusError | TransportError) -> None:
        if isinstance(error, StatusError) and error.code == GONE:
            log.info("%s: version %s is too old, listing again", self._kind.__name__, self._version)
            stale, self._version = self._version, ""
            if stale:
                return
        else:
            log.warning("%s: %s; trying again", self._kind.__name__, error)
        await self._backoff.wait()

    async def _list(self) -> None:
        items: list[K] = []
        token = ""
        while True:
            page = await self._page(token)
            items += page.items
            token = page.continue_token
            if not token:
                break
        self._sink.replace(items, page.resource_version)
        self._version = page.resource_version

    async def _page(self, token: str) -> ListPage[K]:
        return await self._client.list(
            self._kind,
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            limit=PAGE,
            continue_token=token,
        )

    async def _watch(self) -> None:
        begun = self._clock.monotonic()
        seen = 0
        async with self._client.watch(
            self._kind,
            self._namespace,
            resource_version=self._version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            timeout_seconds=WATCH_SECONDS + self._chance.below(WATCH_SECONDS),
        ) as events:
            async for event in events:
                seen += 1
                self._version = event.object.metadata.resource_version or self._version
                guard.call("informer", self._kind.__name__, self._sink.apply, event)
                if seen % TURN == 0:
                    await self._clock.sleep(0)
        if seen:
            self._backoff.reset()
        elif self._clock.monotonic() - begun < 1.0:
            # A server that closes at once must not be asked in a circle.
            await self._backoff.wait()
