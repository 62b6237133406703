"""Taints of nodes and tolerations of pods. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pilothouse.api.types.core.v1 import Taint, Toleration

NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "PreferNoSchedule", "NoExecute"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether one toleration covers one taint: an empty effect or key covers all of them."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator:
        case "" | "Equal":
            return toleration.value == taint.value
        case "Exists":
            return True
        case "Lt" | "Gt":
            return _compares(toleration, taint)
    return False


def _compares(toleration: Toleration, taint: Taint) -> bool:
    try:
        bound, held = int(toleration.value), int(taint.value)
    except ValueError:
        return False
    return held < bound if toleration.operator == "Lt" else held > bound


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(tolerates(t, taint) for t in tolerations)


def find_untolerated(
    taints: Iterable[Taint],
    tolerations: Sequence[Toleration],
    effects: Collection[str] = (NO_SCHEDULE, NO_EXECUTE),
) -> Taint | None:
    """The first taint with one of `effects` that no toleration covers."""
    return next((t for t in taints if t.effect in effects and not tolerated(t, tolerations)), None)


def toleration_seconds(taints: Sequence[Taint], tolerations: Sequence[Toleration]) -> float | None:
    """How long a pod may stay on a node with these NoExecute taints: 0 if some taint is not tolerated, None for ever,
    else the shortest limit of the tolerations in use (a negative one counts as 0)."""
    used: list[Toleration] = []
    for taint in taints:
        covering = [t for t in tolerations if tolerates(t, taint)]
        if not covering:
            return 0.0
        used.append(covering[0])
    bounds = [max(t.toleration_seconds, 0) for t in used if t.toleration_seconds is not None]
    return float(min(bounds)) if bounds else None


def same(one: Taint, other: Taint) -> bool:
    """A node holds a key with an effect at most once."""
    return one.key == other.key and one.effect == other.effect


def merged(taints: Iterable[Taint], add: Sequence[Taint], remove: Sequence[Taint]) -> tuple[Taint, ...]:
    """`taints` without `remove`, with those of `add` that are not there yet behind."""
    kept = [t for t in taints if not any(same(t, r) for r in remove)]
    return (*kept, *(a for a in add if not any(same(a, k) for k in kept)))
