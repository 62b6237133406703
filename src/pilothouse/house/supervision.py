"""What the supervisor decides and remembers of each process: when to start it again, how often it was, why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from pilothouse.house.paths import Paths
from pilothouse.house.spec import write_atomically

FIRST_SECONDS = 0.5
MOST_SECONDS = 60.0
STEADY_SECONDS = 120.0
"""Who ran that long before it ended begins with the shortest delay again."""


class Backoff(NamedTuple):
    """When a process may start again. Times are monotonic seconds."""

    delay: float = 0.0
    due: float = 0.0
    began: float = 0.0

    def started(self, now: float) -> Backoff:
        return self._replace(began=now)

    def ended(self, now: float) -> Backoff:
        """Twice as long as before, at most MOST_SECONDS, unless it ran well."""
        steady = now - self.began >= STEADY_SECONDS
        delay = FIRST_SECONDS if steady or not self.delay else min(self.delay * 2, MOST_SECONDS)
        return Backoff(delay, now + delay, now)


class Record(msgspec.Struct, frozen=True):
    """What `status` tells of a process. Times are seconds since the epoch, 0 for never."""

    restarts: int = 0
    since: float = 0.0
    last_exit: str = ""
    last_exit_at: float = 0.0


def load(paths: Paths) -> Mapping[str, Record]:
    """The records by name; none if they cannot be read, for they only inform."""
    try:
        return msgspec.json.decode(paths.supervision.read_bytes(), type=dict[str, Record])
    except (OSError, msgspec.MsgspecError):
        return {}


def save(paths: Paths, records: Mapping[str, Record]) -> None:
    write_atomically(paths.supervision, msgspec.json.encode(records))
