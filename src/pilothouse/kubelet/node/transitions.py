"""What a node's events tell of its changes, in the words of upstream's kubelet (pkg/kubelet/nodestatus). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.api.types.core.v1 import NodeStatus

NORMAL, WARNING = "Normal", "Warning"
# Condition type to the reasons when it does not hold and when it does.
_PRESSURES = {
    "MemoryPressure": ("NodeHasSufficientMemory", "NodeHasInsufficientMemory"),
    "DiskPressure": ("NodeHasNoDiskPressure", "NodeHasDiskPressure"),
    "PIDPressure": ("NodeHasSufficientPID", "NodeHasInsufficientPID"),
}


class NodeEvent(NamedTuple):
    """One event on the node; `type` is Normal or Warning."""

    type: str
    reason: str
    message: str


def now(name: str, reason: str) -> NodeEvent:
    """The event that a node named `name` has come to a state."""
    return NodeEvent(NORMAL, reason, f"Node {name} status is now: {reason}")


def of_status(name: str, old: NodeStatus, new: NodeStatus) -> Iterator[NodeEvent]:
    """The events of a status that follows another. A node without conditions yet is told of its pressures, not of its
    readiness; another boot id than before means that the machine was started again."""
    before = {c.type: c.status for c in old.conditions}
    for condition in new.conditions:
        if condition.type in _PRESSURES and before.get(condition.type) != condition.status:
            yield now(name, _PRESSURES[condition.type][condition.status == "True"])
        elif condition.type == "Ready" and before.get("Ready", condition.status) != condition.status:
            yield now(name, "NodeReady" if condition.status == "True" else "NodeNotReady")
    boot = new.node_info.boot_id
    if old.node_info.boot_id and old.node_info.boot_id != boot:
        yield NodeEvent(WARNING, "Rebooted", f"Node {name} has been rebooted, boot id: {boot}")


def of_schedulability(name: str, before: bool, unschedulable: bool) -> Iterator[NodeEvent]:
    """The event of a node that was cordoned or uncordoned."""
    if before != unschedulable:
        yield now(name, "NodeNotSchedulable" if unschedulable else "NodeSchedulable")
