"""When a dead container is started again, and how long it waits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.api.types.core.v1 import Container, PodSpec
from pilothouse.semantics.container_restarts import matching_rule, should_restart

INITIAL_SECONDS = 10.0
LONGEST_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class BackOff:
    """The delay after the last restart, and when that was. It is forgotten after twice the longest delay in peace."""

    delay: float
    since: float

    def expired(self, at: float) -> bool:
        return at - self.since > 2 * LONGEST_SECONDS


def next_back_off(last: BackOff | None, now: float, finished_at: float) -> BackOff:
    """The back-off after one more restart at `now`: 10 s, doubling up to 5 min."""
    if last is None or last.expired(finished_at):
        return BackOff(INITIAL_SECONDS, now)
    return BackOff(min(last.delay * 2, LONGEST_SECONDS), now)


def restart_at(last: BackOff | None, finished_at: float) -> float:
    """The time before which a container that ended at `finished_at` is not started again; 0.0 is at once."""
    if last is None or last.expired(finished_at):
        return 0.0
    return finished_at + last.delay


def is_sidecar(container: Container) -> bool:
    """Whether an init container is one that keeps running."""
    return container.restart_policy == "Always"


def restarts(spec: PodSpec, container: Container, exit_code: int, *, init: bool) -> bool:
    """Whether a container that ended so is to be started again, as long as its pod lives."""
    if init and exit_code == 0 and not is_sidecar(container) and matching_rule(container, exit_code) is None:
        return False
    return should_restart(container, spec, exit_code)
