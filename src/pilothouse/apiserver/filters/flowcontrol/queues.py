"""Fair queuing: levels with seats, flows dealt over queues, the longest-served waiting longest. Pure.

A request takes `width` seats. Where a level has no seat left, requests wait in queues. Each flow is dealt a small hand
of a level's queues and joins the shortest, so that a flow that floods its hand rarely hits the whole hand of another.
Queues are served by virtual time: each start moves its queue on by the seats it took, and the queue that is furthest
behind goes next.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pilothouse.api.types.flowcontrol.v1 import LimitedPriorityLevelConfiguration, PriorityLevelConfiguration

Start = Callable[[], bool]
"""Told that it is a request's turn; False if nobody waits for that any more."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A request in a queue; `start` is called when it gets its seats."""

    width: int
    start: Start


@dataclass(slots=True, eq=False)
class _Queue:
    waiting: deque[Waiting] = field(default_factory=deque)
    seats: int = 0
    """Of those that wait."""
    served: float = 0.0
    """Virtual time: seats started, counted from the level's time when the queue last became busy."""


class Full(Exception):
    """There is no room: the request must be refused."""


class Level:
    """One priority level's seats and queues."""

    def __init__(self, name: str, limited: LimitedPriorityLevelConfiguration) -> None:
        self.name = name
        self.nominal = 0
        self.in_use = 0
        self.configure(limited)

    def configure(self, limited: LimitedPriorityLevelConfiguration) -> None:
        """Take new settings; what waits in queues that are no more is dealt again."""
        self.shares = limited.nominal_concurrency_shares or 0
        self._lendable_percent = limited.lendable_percent or 0
        self._borrowing_percent = limited.borrowing_limit_percent
        queuing = limited.limit_response.queuing if limited.limit_response.type == "Queue" else None
        self._hand = queuing.hand_size if queuing is not None else 0
        self._length_limit = queuing.queue_length_limit if queuing is not None else 0
        old = [w for q in getattr(self, "_queues", ()) for w in q.waiting]
        self._queues = [_Queue() for _ in range(queuing.queues if queuing is not None else 0)]
        self._time = 0.0
        self.waiting = 0
        for index, waiting in enumerate(old):
            if self._queues:
                self._join(self._queues[index % len(self._queues)], waiting)

    @property
    def lendable(self) -> int:
        return round(self.nominal * self._lendable_percent / 100)

    @property
    def borrowing_limit(self) -> float:
        return math.inf if self._borrowing_percent is None else self.nominal * self._borrowing_percent / 100

    @property
    def queues(self) -> int:
        """How many there are; without any, who finds no seat is refused."""
        return len(self._queues)

    @property
    def active_queues(self) -> int:
        """Those in which requests wait."""
        return sum(1 for queue in self._queues if queue.waiting)

    def queue_states(self) -> Sequence[tuple[int, int, float]]:
        """(requests, their seats, virtual time) of each queue."""
        return [(len(queue.waiting), queue.seats, queue.served) for queue in self._queues]

    @property
    def upper(self) -> float:
        """The most seats that its requests may take, their own and borrowed ones."""
        return self.nominal + self.borrowing_limit

    def enqueue(self, flow: str, width: int, start: Start) -> Waiting:
        """Wait in the shortest queue of the flow's hand. Raises Full."""
        if not self._queues:
            raise Full
        queue = min((self._queues[i] for i in deal(flow, len(self._queues), self._hand)), key=lambda q: q.seats)
        if len(queue.waiting) >= self._length_limit:
            raise Full
        waiting = Waiting(width, start)
        self._join(queue, waiting)
        return waiting

    def _join(self, queue: _Queue, waiting: Waiting) -> None:
        if not queue.waiting:
            queue.served = max(queue.served, self._time)
        queue.waiting.append(waiting)
        queue.seats += waiting.width
        self.waiting += 1

    def forget(self, waiting: Waiting) -> None:
        """The request does not wait any more."""
        for queue in self._queues:
            if waiting in queue.waiting:
                queue.waiting.remove(waiting)
                queue.seats -= waiting.width
                self.waiting -= 1

    def next(self) -> Waiting | None:
        """The request whose turn it is, still in its queue."""
        busy = [q for q in self._queues if q.waiting]
        return min(busy, key=lambda q: q.served).waiting[0] if busy else None

    def take(self, waiting: Waiting) -> None:
        """Take a request from the head of its queue."""
        queue = next(q for q in self._queues if q.waiting and q.waiting[0] is waiting)
        queue.waiting.popleft()
        queue.seats -= waiting.width
        self._time = queue.served
        queue.served += waiting.width
        self.waiting -= 1


class Seats:
    """All limited levels of a server, and the seats they share."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.levels: dict[str, Level] = {}

    def configure(self, levels: Iterable[PriorityLevelConfiguration]) -> None:
        """Take the limited levels of a new configuration. A level that is gone keeps no seats."""
        wanted = {p.metadata.name: p.spec.limited for p in levels if p.spec.limited is not None}
        for name in [n for n in self.levels if n not in wanted]:
            del self.levels[name]
        for name, limited in wanted.items():
            if name in self.levels:
                self.levels[name].configure(limited)
            else:
                self.levels[name] = Level(name, limited)
        shares = sum(level.shares for level in self.levels.values()) or 1
        for level in self.levels.values():
            level.nominal = max(1, math.ceil(self.total * level.shares / shares)) if level.shares else 0

    def has_room(self, level: Level, width: int) -> bool:
        """Whether `level` may start a request now, with seats of its own or lent by idle levels."""
        missing = level.in_use + width - level.nominal
        if missing <= 0:
            return True
        if level.in_use == 0 and level.nominal > 0:
            return True  # wider than the whole level: alone it may go
        if missing > level.borrowing_limit:
            return False
        idle = sum(max(0, min(o.lendable, o.nominal - o.in_use)) for o in self.levels.values() if o is not level)
        lent = sum(max(0, o.in_use - o.nominal) for o in self.levels.values())
        return missing + max(0, lent - max(0, level.in_use - level.nominal)) <= idle

    def start(self, level: Level, width: int) -> None:
        level.in_use += width

    def finish(self, level: Level, width: int) -> None:
        """Give seats back, and start those whose turn it is now, in this level first."""
        level.in_use -= width
        self.dispatch(level)
        for other in self.levels.values():
            if other is not level and other.waiting:
                self.dispatch(other)

    def dispatch(self, level: Level) -> None:
        """Start what waits, as long as there is room."""
        while level.waiting:
            waiting = level.next()
            if waiting is None or not self.has_room(level, waiting.width):
                return
            level.take(waiting)
            if waiting.start():
                level.in_use += waiting.width


def deal(flow: str, deck: int, hand: int) -> Sequence[int]:
    """The queues that a flow may use: `hand` different ones of `deck`, always the same for a flow."""
    value = int.from_bytes(hashlib.blake2b(flow.encode("utf-8", "replace"), digest_size=8).digest(), "big")
    cards = list(range(deck))
    dealt = []
    for _ in range(min(hand, deck)):
        value, index = divmod(value, len(cards))
        dealt.append(cards.pop(index))
    return dealt
