"""Events: what a component tells people about an object. Telling never waits and never fails the teller.

Equal events become one with a count; ten that differ only in their message within ten minutes become one "combined"
event; and one object hears at most 25 events of one component at a burst, then one in five minutes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.object import Object
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Event, EventSource, ObjectReference
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope, attempt
from pilothouse.machinery.client.interface import Client, StrategicMergePatch

V = TypeVar("V")
log = logging.getLogger(__name__)

NORMAL, WARNING = "Normal", "Warning"
REMEMBERED = 4096
SIMILAR_LIMIT = 10
SIMILAR_SECONDS = 600.0
BURST = 25
REFILL_SECONDS = 300.0
QUEUE_LIMIT = 1000
TRIES = 12
RETRY_SECONDS = 10.0
NOT_FOUND = 404


class _Recent(Generic[V]):
    """A map that forgets what was not used for longest."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, ...], V] = OrderedDict()

    def get(self, key: tuple[str, ...]) -> V | None:
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    def put(self, key: tuple[str, ...], value: V) -> None:
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > REMEMBERED:
            self._held.popitem(last=False)


@dataclass(slots=True)
class _Similar:
    messages: set[str]
    last: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    last: float


@dataclass(slots=True)
class _Told:
    """An event that the server has, under its name."""

    name: str
    count: int
    first: str
    resource_version: str = ""


def reference_to(obj: Object, field_path: str = "") -> ObjectReference:
    """How an event names its object."""
    meta = obj.metadata
    return ObjectReference(
        kind=obj.kind,
        api_version=obj.api_version,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        field_path=field_path,
    )


def _about(event: Event) -> tuple[str, ...]:
    source, about = event.source, event.involved_object
    return (
        source.component,
        source.host,
        about.kind,
        about.namespace,
        about.name,
        about.uid,
        about.api_version,
    )


class Correlator:
    """Decides whether an event is new, one more of a known one, or too much. Pure but for its memory."""

    def __init__(self) -> None:
        self._similar: _Recent[_Similar] = _Recent()
        self._told: _Recent[_Told] = _Recent()
        self._buckets: _Recent[_Bucket] = _Recent()

    def admit(self, event: Event, now: float) -> tuple[Event, tuple[str, ...]] | None:
        """The event to tell (its message perhaps combined) and the key to `remember` it by; None if it is spam."""
        event, key = self._aggregate(event, now)
        return (event, key) if self._take_token(_about(event), now) else None

    def known(self, key: tuple[str, ...]) -> _Told | None:
        return self._told.get(key)

    def remember(self, key: tuple[str, ...], made: Event) -> None:
        self._told.put(
            key,
            _Told(made.metadata.name, made.count, made.first_timestamp or "", made.metadata.resource_version),
        )

    def _aggregate(self, event: Event, now: float) -> tuple[Event, tuple[str, ...]]:
        group = (
            *_about(event),
            event.involved_object.field_path,
            event.type,
            event.reason,
            event.reporting_component,
            event.reporting_instance,
        )
        held = self._similar.get(group)
        if held is None or now - held.last > SIMILAR_SECONDS:
            held = _Similar(set(), now)
        held.messages.add(event.message)
        held.last = now
        self._similar.put(group, held)
        if len(held.messages) < SIMILAR_LIMIT:
            return event, (*group, event.message)
        held.messages.pop()
        combined = f"(combined from similar events): {event.message}"
        return msgspec.structs.replace(event, message=combined), group

    def _take_token(self, about: tuple[str, ...], now: float) -> bool:
        bucket = self._buckets.get(about) or _Bucket(BURST, now)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.last) / REFILL_SECONDS)
        bucket.last = now
        self._buckets.put(about, bucket)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


class Recorder:
    """Events of one component, sent in the background in the order they were told."""

    def __init__(self, component: str, client: Client, clock: Clock, scope: TaskScope, *, host: str = "") -> None:
        self._component = component
        self._host = host
        self._client = client
        self._clock = clock
        self._correlator = Correlator()
        self._last_stamp = 0
        self._queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_LIMIT)
        scope.spawn(self._send_all(), f"events/{component}")

    def event(self, obj: Object | ObjectReference, kind: str, reason: str, message: str) -> None:
        """Tell `message` about `obj`; `kind` is NORMAL or WARNING. Dropped if a thousand are waiting already."""
        about = obj if isinstance(obj, ObjectReference) else reference_to(obj)
        now = self._clock.now()
        stamp = format_time(now)
        event = Event(
            metadata=ObjectMeta(
                name=f"{about.name}.{self._stamp(now):x}",
                namespace=about.namespace or "default",
            ),
            involved_object=about,
            reason=reason,
            message=message,
            type=kind,
            source=EventSource(component=self._component, host=self._host),
            reporting_component=self._component,
            reporting_instance=self._host,
            first_timestamp=stamp,
            last_timestamp=stamp,
            count=1,
        )
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            log.warning("too many events, dropped: %s %s: %s", about.name, reason, message)

    def _stamp(self, now: float) -> int:
        """Nanoseconds that no other event of ours has, for its name."""
        self._last_stamp = max(int(now * 1e9), self._last_stamp + 1)
        return self._last_stamp

    async def drained(self) -> None:
        """Return when all told so far was sent or given up."""
        await self._queue.join()

    async def _send_all(self) -> None:
        while True:
            event = await self._queue.get()
            admitted = self._correlator.admit(event, self._clock.monotonic())
            if admitted is not None:
                await self._send(*admitted)
            self._queue.task_done()

    async def _send(self, event: Event, key: tuple[str, ...]) -> None:
        for _ in range(TRIES):
            failure = await attempt(self._write(event, key))
            if failure is None:
                return
            if isinstance(failure, StatusError):
                # The server has decided: a namespace that ends takes no more events.
                log.debug("event refused: %s", failure)
                return
            log.info("event not sent: %s", failure)
            await self._clock.sleep(RETRY_SECONDS)

    async def _write(self, event: Event, key: tuple[str, ...]) -> None:
        known = self._correlator.known(key)
        if known is not None:
            body = {"count": known.count + 1, "lastTimestamp": event.last_timestamp, "message": event.message}
            try:
                made = await self._client.patch(Event, known.name, event.metadata.namespace, StrategicMergePatch(body))
            except StatusError as error:
                if error.code != NOT_FOUND:
                    raise
            else:
                self._correlator.remember(key, made)
                return
        self._correlator.remember(key, await self._client.create(event))
