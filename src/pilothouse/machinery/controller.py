"""The shell of every controller, written once: informers feed keys, workers reconcile them, failures back off.

`reconcile(key, client)` looks at the caches, decides, and writes through `client`. It is called for one key by one
worker at a time, and never before the caches show what it wrote for that key the last time, however long they take.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, TypeVar

from pilothouse.api.errors import StatusError
from pilothouse.api.object import Object
from pilothouse.kit import guard
from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope, attempt
from pilothouse.machinery.backoff import Backoff
from pilothouse.machinery.client.interface import CLIENT_ERRORS, Client
from pilothouse.machinery.informer import Informer, Informers
from pilothouse.machinery.own_writes import OwnWrites, RecordingClient
from pilothouse.machinery.workqueue import WorkQueue

T = TypeVar("T", bound=Hashable)
K = TypeVar("K", bound=Object)
Key = tuple[str, str]
"""Namespace and name."""
log = logging.getLogger(__name__)


class ReconcileError(Exception):
    """A round that cannot do its work for a reason it knows, which the text says. The key is tried again; the log has a
    line of it, where it has a traceback of failures that nobody foresaw."""


def key_of(obj: Object) -> Key:
    return obj.metadata.namespace, obj.metadata.name


class Controller(Generic[T]):
    """`on` binds informers to keys; `run` works until cancelled."""

    def __init__(
        self,
        name: str,
        reconcile: Callable[[T, Client], Awaitable[None]],
        client: Client,
        informers: Informers,
        clock: Clock,
        *,
        workers: int = 5,
        longest_backoff: float = 1000.0,
    ) -> None:
        self.name = name
        self.queue: WorkQueue[T] = WorkQueue(clock, ceiling=longest_backoff)
        self._reconcile = reconcile
        self._client = client
        self._informers = informers
        self._clock = clock
        self._workers = workers
        self._needed: list[Informer[Any]] = []
        self._writes: dict[T, OwnWrites] = {}
        self._awaited: set[T] = set()
        """Keys that an informer lets in as soon as it shows what was written for them."""
        self._lost: dict[T, Backoff] = {}
        """Keys of which the server could not be asked yet what became of a write."""
        self.reconciled = 0
        self.failed = 0
        self.skipped = 0
        """Rounds that did not take place because a cache was older than what was written for the key."""
        self.seconds = 0.0
        """Time spent in rounds, waiting for answers included."""

    @property
    def controller(self) -> Controller[T]:
        """Itself: what is built by the registry may also be something that has a controller."""
        return self

    def needs(self, kind: type[K]) -> Informer[K]:
        """The informer of `kind`; no key is worked on before it has its first list."""
        informer = self._informers.of(kind)
        if informer not in self._needed:
            self._needed.append(informer)
        return informer

    def on(self, kind: type[K], keys: Callable[[K | None, K | None], Iterable[T]]) -> Informer[K]:
        """Queue the keys that `keys(old, new)` finds in each change of `kind`."""
        informer = self.needs(kind)

        def changed(old: K | None, new: K | None) -> None:
            for key in keys(old, new):
                self.queue.add(key)

        informer.add_handler(changed)
        return informer

    async def run(self) -> None:
        """Work until cancelled."""
        async with TaskScope(self.name) as scope:
            for informer in self._needed:
                await informer.wait_synced()
            scope.spawn(self.queue.run(), "delays")
            for number in range(self._workers):
                scope.spawn(self._work(), f"worker-{number}")
            raise await scope.wait_failed()

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            await self.work_on(key)
            self.queue.done(key)

    async def work_on(self, key: T) -> None:
        """One round for `key`: not before our own writes show; reconcile, back off or forget."""
        writes = self._writes.get(key) or OwnWrites(self._informers, self._clock)
        if writes.pending and not await self._current(key, writes):
            self.skipped += 1
            return
        begun = self._clock.monotonic()
        client = RecordingClient(self._client, writes, self._informers.chance.name_suffix)
        failure = await attempt(self._round(key, client))
        self.seconds += self._clock.monotonic() - begun
        if writes.pending:
            self._writes[key] = writes
        else:
            self._writes.pop(key, None)
        self.reconciled += 1
        if failure is None:
            self.queue.forget(key)
            return
        self.failed += 1
        self._tell(key, failure)
        self.queue.add_rate_limited(key)

    async def _current(self, key: T, writes: OwnWrites) -> bool:
        """Whether the caches show what was written for `key`; if not, it is let in again when they may."""
        failure = await attempt(writes.find_lost(self._client))
        if failure is not None:
            self._tell(key, failure)
            backoff = self._lost.setdefault(key, Backoff(self._clock, self._informers.chance))
            self.queue.add_after(key, backoff.next_delay())
            return False
        self._lost.pop(key, None)
        if (unseen := writes.unseen()) is None:
            return True
        if key not in self._awaited:
            self._awaited.add(key)
            informer, version = unseen
            informer.when_version(version, lambda: self._shown(key))
        return False

    def _shown(self, key: T) -> None:
        self._awaited.discard(key)
        self.queue.add(key)

    async def part(self, subject: object, work: Coroutine[Any, Any, object]) -> Exception | None:
        """Do a part of a round that must not keep the other parts. Its failure is counted and logged as a round's is,
        and answered; the round decides when `subject` is looked at again."""
        failure = await attempt(work)
        if failure is not None:
            self.failed += 1
            self._tell(subject, failure)
        return failure

    async def _round(self, key: T, client: Client) -> None:
        await self._reconcile(key, client)

    def _tell(self, key: object, failure: Exception) -> None:
        conflict = isinstance(failure, StatusError) and failure.reason in ("Conflict", "AlreadyExists")
        if conflict:
            log.debug("%s: %s: %s", self.name, key, failure)
        elif isinstance(failure, (ReconcileError, *CLIENT_ERRORS)):
            log.warning("%s: %s: %s", self.name, key, failure)
        else:
            guard.failed(self.name, key, failure)


def own_key(old: Object | None, new: Object | None) -> tuple[Key, ...]:
    """The key of the changed object itself."""
    found = new if new is not None else old
    return (key_of(found),) if found is not None else ()
