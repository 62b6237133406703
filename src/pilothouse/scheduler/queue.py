"""Who is next: pods ready to be tried (by priority, then age), pods that wait after a failure, and pods that nothing in
the cluster has changed for. Pure: told the time.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping

from pilothouse.scheduler.framework import Change, ClusterEvent, Hint, Plugin
from pilothouse.scheduler.snapshot import PodInfo

INITIAL_BACKOFF = 1.0
MAX_BACKOFF = 10.0
# A pod is tried again after so long even if nothing seems to have changed: an event may have been missed.
STUCK_SECONDS = 300.0
GATES = "SchedulingGates"
REMEMBERED_EVENTS = 1000


class Queued:
    """A pod in the queue. `since` is when it was added, in the queue's time; `plugins` turned it down the last time."""

    __slots__ = ("attempts", "entered", "info", "plugins", "seen", "since", "where")

    def __init__(self, info: PodInfo, now: float) -> None:
        self.info = info
        self.attempts = 0
        self.since = now
        self.entered = now
        self.plugins: frozenset[str] = frozenset()
        self.seen = 0
        self.where = ""

    def backoff_until(self) -> float:
        """When it may be tried again after its last failure."""
        if not self.attempts:
            return self.entered
        return self.entered + min(INITIAL_BACKOFF * 2.0 ** (self.attempts - 1), MAX_BACKOFF)


class Queue:
    """All pods that wait for a node. `plugins` say which events concern a pod they turned down."""

    def __init__(self, plugins: Iterable[Plugin] = ()) -> None:
        self._pods: dict[str, Queued] = {}
        self._active: list[tuple[int, float, int, Queued]] = []
        self._backoff: list[tuple[float, int, Queued]] = []
        self._order = 0
        self._events: deque[tuple[int, ClusterEvent]] = deque(maxlen=REMEMBERED_EVENTS)
        self._event_count = 0
        self._waits: dict[str, Mapping[Change, Hint | None]] = {}
        self.concern(plugins)
        self._counts = {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0, "flight": 0}
        self._stuck: dict[str, Queued] = {}

    def concern(self, plugins: Iterable[Plugin]) -> None:
        """From now on these have a say in what is worth another attempt."""
        self._waits.update((p.name, p.events) for p in plugins)

    def __len__(self) -> int:
        return len(self._pods)

    def __contains__(self, uid: str) -> bool:
        return uid in self._pods

    @property
    def counts(self) -> Mapping[str, int]:
        """How many pods are `active`, in `backoff`, `unschedulable`, `gated` and in `flight`."""
        return self._counts

    def add(self, info: PodInfo, now: float, *, gated: bool = False) -> None:
        """A pod that was not known."""
        queued = self._pods[info.uid] = Queued(info, now)
        if gated:
            queued.plugins = frozenset((GATES,))
            self._move(queued, "gated")
        else:
            self._activate(queued)

    def update(self, info: PodInfo, now: float, event: ClusterEvent, *, gated: bool = False) -> None:
        """The pod's object changed in a way that may matter to those who turned it down."""
        queued = self._pods.get(info.uid)
        if queued is None:
            self.add(info, now, gated=gated)
            return
        queued.info = info
        if queued.where == "gated":
            if not gated:
                queued.plugins = frozenset()
                self._activate(queued)
        elif queued.where == "unschedulable" and self._concerns(queued, event):
            self._retry(queued, now)
        elif queued.where == "active":
            self._activate(queued)

    def replace(self, info: PodInfo) -> None:
        """The pod's object changed in a way that doesn't matter."""
        queued = self._pods.get(info.uid)
        if queued is not None:
            queued.info = info

    def drop(self, uid: str) -> None:
        """The pod needs no node any more."""
        queued = self._pods.pop(uid, None)
        if queued is not None:
            self._move(queued, "")

    def pop(self, now: float) -> Queued | None:
        """The next pod to try, None if there is none now. It stays in the queue's books, as in flight, until `done`
        or `failed`."""
        self._wake(now)
        while self._active:
            priority, since, _, queued = heapq.heappop(self._active)
            if queued.where != "active" or (priority, since) != (-queued.info.priority, queued.since):
                continue
            self._move(queued, "flight")
            queued.attempts += 1
            queued.seen = self._event_count
            return queued
        return None

    def next_time(self) -> float | None:
        """When the next waiting pod becomes ready."""
        return self._backoff[0][0] if self._backoff else None

    def done(self, queued: Queued) -> None:
        """It has a node."""
        if self._pods.get(queued.info.uid) is queued:
            del self._pods[queued.info.uid]
            self._move(queued, "")

    def failed(self, queued: Queued, plugins: Iterable[str], now: float) -> None:
        """It was turned down by `plugins`; by none: an error, which waiting may mend. Events that came while it was
        being tried count."""
        if self._pods.get(queued.info.uid) is not queued:
            return
        queued.entered = now
        queued.plugins = frozenset(plugins)
        missed = (event for number, event in self._events if number > queued.seen)
        if not queued.plugins or any(self._concerns(queued, event) for event in missed):
            self._retry(queued, now)
        else:
            self._move(queued, "unschedulable")

    def happened(self, event: ClusterEvent, now: float) -> None:
        """Something changed in the cluster: whom it may help tries again."""
        self._event_count += 1
        if self._counts["flight"]:
            self._events.append((self._event_count, event))
        for queued in list(self._stuck.values()):
            if self._concerns(queued, event):
                self._retry(queued, now)

    def flush_stuck(self, now: float) -> None:
        """Try those again that nothing has happened for in a long time."""
        for queued in list(self._stuck.values()):
            if now - queued.entered > STUCK_SECONDS:
                self._retry(queued, now)

    def _concerns(self, queued: Queued, event: ClusterEvent) -> bool:
        for name in queued.plugins:
            waits = self._waits.get(name)
            if waits is None:
                return True
            if event.change in waits:
                hint = waits[event.change]
                if hint is None or hint(queued.info, event):
                    return True
        return False

    def _retry(self, queued: Queued, now: float) -> None:
        ready = queued.backoff_until()
        if ready <= now:
            self._activate(queued)
            return
        self._move(queued, "backoff")
        self._order += 1
        heapq.heappush(self._backoff, (ready, self._order, queued))

    def _wake(self, now: float) -> None:
        while self._backoff and self._backoff[0][0] <= now:
            _, _, queued = heapq.heappop(self._backoff)
            if queued.where == "backoff":
                self._activate(queued)

    def _activate(self, queued: Queued) -> None:
        self._move(queued, "active")
        self._order += 1
        heapq.heappush(self._active, (-queued.info.priority, queued.since, self._order, queued))

    def _move(self, queued: Queued, where: str) -> None:
        if queued.where:
            self._counts[queued.where] -= 1
            self._stuck.pop(queued.info.uid, None)
        queued.where = where
        if where:
            self._counts[where] += 1
        if where == "unschedulable":
            self._stuck[queued.info.uid] = queued
