"""Node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pilothouse.api.types.core.v1 import Node
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy, Write
from pilothouse.apiserver.table.cells import NONE, UNKNOWN, age, joined


def defaults(node: Node) -> Node:
    """What is not said to be reserved may be used: allocatable is the capacity."""
    status = node.status
    if status.allocatable or not status.capacity:
        return node
    return msgspec.structs.replace(node, status=msgspec.structs.replace(status, allocatable=status.capacity))


def prepare_update(new: Node, old: Node, write: Write) -> Node:
    return msgspec.structs.replace(new, status=old.status)


_ROLE = "node-role.kubernetes.io/"


def _roles(node: Node) -> Iterator[str]:
    for label, value in node.metadata.labels.items():
        if label.startswith(_ROLE) and len(label) > len(_ROLE):
            yield label.removeprefix(_ROLE)
        elif label == "kubernetes.io/role" and value:
            yield value


def row(node: Node, now: float) -> Sequence[Cell]:
    ready = [c.status for c in node.status.conditions if c.type == "Ready"]
    status = "Unknown" if not ready else "Ready" if ready[0] == "True" else "NotReady"
    if node.spec.unschedulable:
        status += ",SchedulingDisabled"
    addresses = {a.type: a.address for a in reversed(node.status.addresses)}
    info = node.status.node_info
    return (
        node.metadata.name,
        status,
        joined(sorted(set(_roles(node)))),
        age(node.metadata.creation_timestamp, now),
        info.kubelet_version,
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.os_image or UNKNOWN,
        info.kernel_version or UNKNOWN,
        info.container_runtime_version or UNKNOWN,
    )


STRATEGY = Strategy(
    type=Node,
    prefix="minions",
    # A node registers itself with its status: nobody need wait for its first report.
    dropped_on_create=(),
    defaults=defaults,
    prepare_update=prepare_update,
    status=Status(),
    row=row,
    own_field_labels=True,
    fields={"spec.unschedulable": lambda o: "true" if o.spec.unschedulable else "false"},
)
