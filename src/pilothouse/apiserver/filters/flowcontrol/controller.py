"""Priority and fairness (KEP-1040): lets requests through when it is their turn, or refuses them with 429."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from pilothouse.api.types.flowcontrol.v1 import FlowSchema, PriorityLevelConfiguration
from pilothouse.apiserver.filters.flowcontrol.classify import Classifier, Flow
from pilothouse.apiserver.filters.flowcontrol.dump import tables
from pilothouse.apiserver.filters.flowcontrol.metrics import EXEMPT, Figures, Series
from pilothouse.apiserver.filters.flowcontrol.queues import Full, Level, Seats
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, Header, Response
from pilothouse.kit.metrics import Registry

TOTAL_SEATS = 240
"""What all levels share. One loop serves all requests, so more at once would only make each of them slower; the
figure leaves short requests plenty and keeps few long lists running at a time."""
LONGEST_WAIT = 1.0
"""Seconds in a queue after which a client is better told to come back."""
LIST_SEATS = 10
"""The seats of the largest lists; a list takes one seat for each hundred objects, as upstream counts."""
LONG_LIST_SLOTS = 3
"""How many long lists are made at a time, whoever asks: so long may a lease renewal have to wait for the loop."""
LONGEST_SENDING = 0.1
"""Seconds that a long list keeps its seats while it is sent; longer than that only its reader is slow."""
RETRY_AFTER = 1
CATCH_ALL = "catch-all"
_UNSEATED = frozenset({"watch", "proxy", "connect"})
_STREAMS = frozenset({"exec", "attach", "portforward", "proxy", "log"})


class TooMany(Exception):
    """The request is refused for now."""

    def __init__(self, headers: tuple[Header, ...]) -> None:
        super().__init__("too many requests")
        self.headers = headers

    def answer(self) -> Response:
        """The 429 that upstream sends, in plain text."""
        return Response(
            429,
            b"Too many requests, please try again later.\n",
            b"text/plain; charset=utf-8",
            (
                (b"retry-after", str(RETRY_AFTER).encode()),
                (b"x-content-type-options", b"nosniff"),
                *self.headers,
            ),
        )


class Seat:
    """A request that has been let through. `done` gives its seats back, the first time it is called; `done_with` does
    so once an answer has been sent, if that takes work, and not too long."""

    __slots__ = ("_gate", "_level", "_open", "_series", "_slot", "_width", "headers")

    def __init__(
        self,
        gate: FlowController,
        level: Level | None,
        width: int,
        slot: bool,
        headers: tuple[Header, ...],
        series: Series | None = None,
    ) -> None:
        self._gate, self._level, self._width, self._slot = gate, level, width, slot
        self.headers, self._series = headers, series
        self._open = True

    def done(self) -> None:
        if self._open:
            self._open = False
            if (series := self._series) is not None:
                series.ended += 1
                series.seats -= self._width
            self._gate.leave(self._level, self._width, self._slot)

    def done_with(self, answer: Answer) -> Answer:
        """The answer to send, with the headers that tell of the request's flow."""
        if not isinstance(answer, Response):
            self.done()
            return answer
        sent = answer.sent
        if self._slot:
            sent = self._with(sent)
            asyncio.get_running_loop().call_later(LONGEST_SENDING, self.done)
        else:
            self.done()
        # An answer may be shared by many requests, so it is copied rather than changed.
        headers = (*answer.headers, *self.headers)
        return Response(answer.status, answer.body, answer.content_type, headers, answer.close, answer.trailers, sent)

    def _with(self, sent: Callable[[], None] | None) -> Callable[[], None]:
        def told() -> None:
            self.done()
            if sent is not None:
                sent()

        return told


class FlowController:
    """Follows the flow schemas and priority levels that `reader` tells of."""

    def __init__(self, reader: Reader, clock: Clock, total: int = TOTAL_SEATS, metrics: Registry | None = None) -> None:
        self._clock = clock
        self._schemas: dict[str, FlowSchema] = {}
        self._levels: dict[str, PriorityLevelConfiguration] = {}
        self._classifier = Classifier(())
        self._seats = Seats(total)
        self._figures = Figures(metrics or Registry(), self._seats)
        self._slots = asyncio.Semaphore(LONG_LIST_SLOTS)
        self._headers: dict[tuple[str, str], tuple[Header, ...]] = {}
        reader.observe(FlowSchema, self._schema_changed)
        reader.observe(PriorityLevelConfiguration, self._level_changed)

    @property
    def seats(self) -> Seats:
        """The levels as they stand."""
        return self._seats

    def dumps(self) -> Mapping[str, str]:
        """Path to the table that is shown there."""
        return tables(self._seats, self._figures)

    async def enter(self, access: Access, objects: int = 0) -> Seat:
        """Wait for the request's turn. `objects` is how many a list will answer, roughly. Raises TooMany."""
        flow = self._classifier.classify(access)
        headers = self._headers_of(flow)
        if access.verb in _UNSEATED or access.subresource in _STREAMS:
            return Seat(self, None, 0, False, headers)
        width = min(LIST_SEATS, max(1, objects // 100))
        level = self._level_of(flow)
        schema = flow.schema.metadata.name if flow is not None else CATCH_ALL
        series = self._figures.series(level.name if level is not None else EXEMPT, schema)
        if level is not None and (waited := await self._seat(level, flow, width, headers)):
            series.waits.observe(waited)
        series.begun += 1
        series.seats += width
        slot = width > 1
        if slot:
            try:
                await self._slots.acquire()
            except asyncio.CancelledError:
                series.ended += 1
                series.seats -= width
                self.leave(level, width, False)
                raise
        return Seat(self, level, width, slot, headers, series)

    def leave(self, level: Level | None, width: int, slot: bool) -> None:
        if slot:
            self._slots.release()
        if level is not None:
            self._seats.finish(level, width)

    def _level_of(self, flow: Flow | None) -> Level | None:
        """None for those who are exempt. A request that no schema matches, or whose level is not there, is caught."""
        if flow is not None:
            level = self._levels.get(flow.level)
            if level is not None and level.spec.type == "Exempt":
                return None
            if flow.level in self._seats.levels:
                return self._seats.levels[flow.level]
        return self._seats.levels.get(CATCH_ALL)

    async def _seat(self, level: Level, flow: Flow | None, width: int, headers: tuple[Header, ...]) -> float:
        """Wait for seats; the seconds that took. Raises TooMany."""
        if not level.waiting and self._seats.has_room(level, width):
            self._seats.start(level, width)
            return 0.0
        schema, begun = flow.schema.metadata.name if flow is not None else CATCH_ALL, self._clock.monotonic()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def start() -> bool:
            if turn.done():
                return False
            turn.set_result(None)
            return True

        name = f"{flow.schema.metadata.name}\0{flow.distinguisher}" if flow is not None else ""
        try:
            waiting = level.enqueue(name, width, start)
        except Full:
            self._figures.rejected(level.name, schema, "queue-full" if level.queues else "concurrency-limit", 0.0)
            raise TooMany(headers) from None
        queued = self._figures.queued(level.name, schema)
        queued.inc()
        self._seats.dispatch(level)
        try:
            async with self._clock.timeout(LONGEST_WAIT):
                await turn
        except TimeoutError:
            if not turn.done() or turn.cancelled():
                level.forget(waiting)
                self._figures.rejected(level.name, schema, "time-out", LONGEST_WAIT)
                raise TooMany(headers) from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._seats.finish(level, width)
            else:
                level.forget(waiting)
            self._figures.rejected(level.name, schema, "cancelled", self._clock.monotonic() - begun)
            raise
        finally:
            queued.dec()
        return self._clock.monotonic() - begun

    def _headers_of(self, flow: Flow | None) -> tuple[Header, ...]:
        if flow is None:
            return ()
        key = (flow.schema.metadata.uid, flow.level)
        found = self._headers.get(key)
        if found is None:
            level = self._levels.get(flow.level)
            level_uid = level.metadata.uid if level is not None else ""
            found = self._headers[key] = (
                (b"x-kubernetes-pf-flowschema-uid", flow.schema.metadata.uid.encode()),
                (b"x-kubernetes-pf-prioritylevel-uid", level_uid.encode()),
            )
        return found

    def _schema_changed(self, old: FlowSchema | None, new: FlowSchema | None) -> None:
        if new is not None:
            self._schemas[new.metadata.name] = new
        elif old is not None:
            self._schemas.pop(old.metadata.name, None)
        self._headers.clear()
        self._classifier = Classifier(self._schemas.values())

    def _level_changed(self, old: PriorityLevelConfiguration | None, new: PriorityLevelConfiguration | None) -> None:
        if new is not None:
            self._levels[new.metadata.name] = new
        elif old is not None:
            self._levels.pop(old.metadata.name, None)
        self._headers.clear()
        self._seats.configure(self._levels.values())
