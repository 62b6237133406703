"""What a pod's phase and conditions mean to those who count pods. Pure."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence

from pilothouse.api.time import parse_time
from pilothouse.api.types.core.v1 import Pod, PodCondition

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def condition_of(pod: Pod, kind: str) -> PodCondition | None:
    return next((c for c in pod.status.conditions if c.type == kind), None)


def is_terminal(pod: Pod) -> bool:
    """It has run to its end and will not run again."""
    return pod.status.phase in (SUCCEEDED, FAILED)


def is_terminating(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None


def is_active(pod: Pod) -> bool:
    """It counts towards replicas: not finished, not being deleted."""
    return not is_terminal(pod) and pod.metadata.deletion_timestamp is None


def is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


def ready_since(pod: Pod) -> float | None:
    """When the pod became ready (seconds since the epoch); None if it is not."""
    condition = condition_of(pod, "Ready")
    if condition is None or condition.status != "True":
        return None
    return parse_time(condition.last_transition_time) if condition.last_transition_time else 0.0


def available_in(pod: Pod, min_ready_seconds: int, now: float) -> float | None:
    """Seconds until the pod counts as available: 0 if it does, None if it is not ready."""
    since = ready_since(pod)
    if since is None:
        return None
    if min_ready_seconds == 0:
        return 0.0
    if since == 0.0:
        return None
    return max(since + min_ready_seconds - now, 0.0)


def is_available(pod: Pod, min_ready_seconds: int, now: float) -> bool:
    return available_in(pod, min_ready_seconds, now) == 0.0


def deletion_cost(pod: Pod) -> int:
    """The annotated cost; 0 if there is none or it is no number."""
    text = pod.metadata.annotations.get(DELETION_COST, "")
    try:
        cost = int(text)
    except ValueError:
        return 0
    return cost if text == str(cost) and -(2**31) <= cost < 2**31 else 0


def restarts(pod: Pod) -> int:
    """The highest restart count of its ordinary containers."""
    return max((s.restart_count for s in pod.status.container_statuses), default=0)


_PHASE_RANK = {PENDING: 0, "Unknown": 1, RUNNING: 2}


def deletion_order(pods: Iterable[Pod], rank: Callable[[Pod], int], now: float) -> list[Pod]:
    """Pods in the order in which a controller gives them up: unassigned, pending, unready, cheap, crowded (`rank`: how
    many related pods share its node), briefly ready, restarting, young first. Spans of time compare by powers of two,
    so that among pods of about the same age chance (their uid) decides, not a second."""

    def compare(one: Pod, other: Pod) -> int:
        first, second = _standing(one, rank), _standing(other, rank)
        if first != second:
            return -1 if first < second else 1
        if is_ready(one) and is_ready(other):
            ready, ready_other = ready_since(one) or 0.0, ready_since(other) or 0.0
            if ready != ready_other:
                return _younger(ready, ready_other, now, one, other)
        if restarts(one) != restarts(other):
            return restarts(other) - restarts(one)
        born, born_other = _born(one), _born(other)
        return 0 if born == born_other else _younger(born, born_other, now, one, other)

    return sorted(pods, key=functools.cmp_to_key(compare))


def _standing(pod: Pod, rank: Callable[[Pod], int]) -> tuple[bool, int, bool, int, int]:
    phase = _PHASE_RANK.get(pod.status.phase, 0)
    return bool(pod.spec.node_name), phase, is_ready(pod), deletion_cost(pod), -rank(pod)


def _younger(time: float, other_time: float, now: float, one: Pod, other: Pod) -> int:
    if not time or not other_time:
        return -1 if not time or (other_time and time > other_time) else 1
    difference = _power(now - time) - _power(now - other_time)
    if difference:
        return difference
    return -1 if one.metadata.uid < other.metadata.uid else 1


def _power(seconds: float) -> int:
    return int(math.log2(seconds * 1e9)) if seconds > 0 else -1


def _born(pod: Pod) -> float:
    return parse_time(pod.metadata.creation_timestamp) if pod.metadata.creation_timestamp else 0.0


def crowding(related: Sequence[Pod]) -> Callable[[Pod], int]:
    """The rank function for `deletion_order`: how many active `related` pods each node has."""
    count: dict[str, int] = {}
    for pod in related:
        if is_active(pod) and pod.spec.node_name:
            count[pod.spec.node_name] = count.get(pod.spec.node_name, 0) + 1
    return lambda pod: count.get(pod.spec.node_name, 0)
