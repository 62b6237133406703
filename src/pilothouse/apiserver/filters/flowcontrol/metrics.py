"""The metrics of priority and fairness, under the names that the real server's metrics have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from pilothouse.apiserver.filters.flowcontrol.queues import Level, Seats
from pilothouse.kit.metrics import Gauge, Histogram, Registry

_BOTH = ("priority_level", "flow_schema")
_WAITS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
EXEMPT = "exempt"


class Series:
    """What requests of one flow schema at one level are counted in. They are counted in place: this is on the way of
    every request."""

    __slots__ = ("begun", "ended", "seats", "waits")

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.seats = 0
        """Those that are taken now."""
        self.waits = _Waits(self)


class _Waits(Histogram):
    """How long requests waited before they ran; only those that did are observed."""

    __slots__ = ("_series",)

    def __init__(self, series: Series) -> None:
        super().__init__(_WAITS)
        self._series = series

    def lines(self, name: str, labels: str) -> Iterator[str]:
        self.counts[0] = self._series.begun - sum(self.counts[1:])
        return super().lines(name, labels)


class Figures:
    """Counts what the flow controller does."""

    def __init__(self, registry: Registry, seats: Seats) -> None:
        prefix = "apiserver_flowcontrol_"
        told = "Requests that priority and fairness let in."
        name = f"{prefix}dispatched_requests_total"
        registry.read(name, told, self._all(lambda s: s.begun), _BOTH, kind="counter")
        told = "Requests that priority and fairness turned away."
        name = f"{prefix}rejected_requests_total"
        self._refusals: Counter[tuple[str, str, str]] = Counter()
        labels = (*_BOTH, "reason")
        registry.read(name, told, self._refused_by_reason, labels, kind="counter")
        told = "Requests that were let in and are not done."
        registry.read(f"{prefix}current_executing_requests", told, self._all(lambda s: s.begun - s.ended), _BOTH)
        told = "Seats occupied by the requests that execute."
        registry.read(f"{prefix}current_executing_seats", told, self._all(lambda s: s.seats), _BOTH)
        told = "Requests that wait in queues."
        self._queued = registry.gauge(f"{prefix}current_inqueue_requests", told, _BOTH)
        told = "Seconds that requests waited in their queue."
        self._waits = registry.histogram(f"{prefix}request_wait_duration_seconds", told, (*_BOTH, "execute"), _WAITS)
        self._known: dict[tuple[str, str], Series] = {}

        def each(figure: Callable[[Level], float]) -> Callable[[], Mapping[tuple[str, ...], float]]:
            return lambda: {(name,): float(figure(level)) for name, level in seats.levels.items()}

        label = ("priority_level",)
        told = "Seats that are a priority level's own share."
        registry.read(f"{prefix}nominal_limit_seats", told, each(lambda level: level.nominal), label)
        told = "Seats that a priority level never lends."
        registry.read(f"{prefix}lower_limit_seats", told, each(lambda level: level.nominal - level.lendable), label)
        told = "Seats that a priority level has at the most, borrowed ones included."
        registry.read(f"{prefix}upper_limit_seats", told, each(lambda level: min(seats.total, level.upper)), label)
        told = "Seats that requests of a priority level occupy or wait for."
        registry.read(f"{prefix}demand_seats_current", told, each(lambda level: level.in_use + level.waiting), label)

    def _refused_by_reason(self) -> Mapping[tuple[str, ...], float]:
        return {key: float(count) for key, count in self._refusals.items()}

    def _all(self, figure: Callable[[Series], float]) -> Callable[[], Mapping[tuple[str, ...], float]]:
        return lambda: {key: float(figure(series)) for key, series in self._known.items()}

    def series(self, level: str, schema: str) -> Series:
        """The counts of a schema's requests at a level."""
        found = self._known.get((level, schema))
        if found is None:
            found = self._known[(level, schema)] = Series()
            self._waits.adopt(found.waits, level, schema, "true")
        return found

    def of_level(self, level: str) -> Counter[str]:
        """The counts of a level's requests: dispatched, executing, and refused by reason."""
        found: Counter[str] = Counter()
        for (name, _), series in self._known.items():
            if name == level:
                found["dispatched"] += series.begun
                found["executing"] += series.begun - series.ended
        for (name, _, reason), count in self._refusals.items():
            if name == level:
                found[reason] += count
        return found

    def queued(self, level: str, schema: str) -> Gauge:
        """How many requests wait."""
        return self._queued.labels(level, schema)

    def rejected(self, level: str, schema: str, reason: str, waited: float) -> None:
        """`reason`: queue-full, concurrency-limit, time-out, cancelled."""
        self._refusals[(level, schema, reason)] += 1
        if waited:
            self._waits.labels(level, schema, "false").observe(waited)
