"""What a node's silence and its conditions mean: the status of one that stopped reporting, and its taints. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Node, NodeCondition, Taint
from pilothouse.semantics import taints
from pilothouse.semantics.conditions import find

REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_BY_CONDITION = {
    ("Ready", "False"): taints.NOT_READY,
    ("Ready", "Unknown"): taints.UNREACHABLE,
    ("MemoryPressure", "True"): taints.MEMORY_PRESSURE,
    ("DiskPressure", "True"): taints.DISK_PRESSURE,
    ("NetworkUnavailable", "True"): taints.NETWORK_UNAVAILABLE,
    ("PIDPressure", "True"): taints.PID_PRESSURE,
}
MANAGED = frozenset((*_BY_CONDITION.values(), taints.UNSCHEDULABLE))
_EXECUTING = {"False": taints.NOT_READY, "Unknown": taints.UNREACHABLE}
replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Grace:
    """How long a node may be silent: one that has reported before, and one that has not."""

    monitored: float = 50.0
    starting: float = 60.0


def ready_of(node: Node) -> str:
    """True, False or Unknown; the empty text if it never reported."""
    condition = find(node.status.conditions, "Ready")
    return condition.status if condition is not None else ""


def silence_limit(node: Node, grace: Grace) -> float:
    """Seconds after which a silent node counts as unreachable."""
    return grace.monitored if find(node.status.conditions, "Ready") is not None else grace.starting


def unknown_conditions(node: Node, now: float) -> tuple[NodeCondition, ...] | None:
    """The conditions of a node that has been silent for too long; None if they say so already."""
    held = node.status.conditions
    stamp = format_time(now)
    changed = False
    for kind in REPORTED:
        condition = find(held, kind)
        if condition is None:
            new = NodeCondition(
                type=kind,
                status="Unknown",
                reason="NodeStatusNeverUpdated",
                message="Kubelet never posted node status.",
                last_heartbeat_time=node.metadata.creation_timestamp or stamp,
                last_transition_time=stamp,
            )
            held = (*held, new)
            changed = True
        elif condition.status != "Unknown":
            new = replace(
                condition,
                status="Unknown",
                reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
                last_transition_time=stamp,
            )
            held = tuple(new if c.type == kind else c for c in held)
            changed = True
    return held if changed else None


def wanted_no_schedule(node: Node) -> list[str]:
    """Keys of the NoSchedule taints that conditions and spec ask for."""
    found = [_BY_CONDITION[c.type, c.status] for c in node.status.conditions if (c.type, c.status) in _BY_CONDITION]
    return [*found, taints.UNSCHEDULABLE] if node.spec.unschedulable else found


def wanted_no_execute(node: Node) -> str:
    """The key of the NoExecute taint that readiness asks for; empty for none."""
    return _EXECUTING.get(ready_of(node), "")


def decide_taints(node: Node, now: float, *, may_evict: bool, lift: bool = False) -> tuple[Taint, ...] | None:
    """The node's taints as they should be; None if they are. A new NoExecute taint needs `may_evict`; one that
    replaces the other (not ready, unreachable) does not wait, nor does its removal. `lift` takes both away, whatever
    the node's health."""
    stamp = format_time(now)
    held = node.spec.taints
    keys = wanted_no_schedule(node)
    kept = [t for t in held if t.effect != taints.NO_SCHEDULE or t.key not in MANAGED or t.key in keys]
    there = {t.key for t in kept if t.effect == taints.NO_SCHEDULE}
    kept += [Taint(key=k, effect=taints.NO_SCHEDULE, time_added=stamp) for k in keys if k not in there]
    executing = "" if lift else wanted_no_execute(node)
    before = [t for t in kept if t.effect == taints.NO_EXECUTE and t.key in _EXECUTING.values()]
    if not any(t.key == executing for t in before) and executing and (may_evict or before):
        kept.append(Taint(key=executing, effect=taints.NO_EXECUTE, time_added=stamp))
    if not executing or may_evict or before:
        kept = [t for t in kept if t not in before or t.key == executing]
    return tuple(kept) if tuple(kept) != held else None


def labels_to_mirror(node: Node) -> dict[str, str]:
    """The old labels of operating system and architecture that do not say what the present ones say."""
    labels = node.metadata.labels
    pairs = (("kubernetes.io/os", "beta.kubernetes.io/os"), ("kubernetes.io/arch", "beta.kubernetes.io/arch"))
    return {old: labels[new] for new, old in pairs if new in labels and labels.get(old) != labels[new]}


def waits_for_eviction(node: Node) -> bool:
    """Whether a NoExecute taint is due and not on."""
    key = wanted_no_execute(node)
    held = {t.key for t in node.spec.taints if t.effect == taints.NO_EXECUTE}
    return bool(key) and not held & set(_EXECUTING.values())
