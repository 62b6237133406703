"""What flow control holds just now, as text for people: the tables below /debug/api_priority_and_fairness. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.apiserver.filters.flowcontrol.metrics import EXEMPT, Figures
from pilothouse.apiserver.filters.flowcontrol.queues import Seats

_LEVELS = (
    "PriorityLevelName",
    "ActiveQueues",
    "IsIdle",
    "IsQuiescing",
    "WaitingRequests",
    "ExecutingRequests",
    "DispatchedRequests",
    "RejectedRequests",
    "TimedoutRequests",
    "CancelledRequests",
)
_QUEUES = ("PriorityLevelName", "Index", "PendingRequests", "PendingSeats", "VirtualStart")


def priority_levels(seats: Seats, figures: Figures) -> str:
    """A row for each priority level."""
    rows = []
    for name in sorted({*seats.levels, EXEMPT}):
        level, counts = seats.levels.get(name), figures.of_level(name)
        waiting, executing = (level.waiting if level is not None else 0), counts["executing"]
        active = level.active_queues if level is not None else 0
        refused = [counts["queue-full"] + counts["concurrency-limit"], counts["time-out"], counts["cancelled"]]
        idle = not waiting and not executing
        rows.append((name, active, idle, False, waiting, executing, counts["dispatched"], *refused))
    return _table(_LEVELS, rows)


def queues(seats: Seats) -> str:
    """A row for each queue of each priority level that has some."""
    rows = [
        (name, index, pending, width, f"{start:.1f}")
        for name, level in sorted(seats.levels.items())
        for index, (pending, width, start) in enumerate(level.queue_states())
    ]
    return _table(_QUEUES, rows)


def tables(seats: Seats, figures: Figures) -> Mapping[str, str]:
    """Path to text."""
    base = "/debug/api_priority_and_fairness"
    return {f"{base}/dump_priority_levels": priority_levels(seats, figures), f"{base}/dump_queues": queues(seats)}


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns in line, each cell but the last of a row with a comma."""
    lines = [head, *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) + 2 for at in range(len(head))]
    padded = (
        "".join(f"{cell},".ljust(width) for cell, width in zip(line[:-1], widths, strict=False)) + line[-1]
        for line in lines
    )
    return "\n".join(padded) + "\n"


def _cell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
