"""Node."""

from __future__ import annotations

import msgspec

from pilothouse.api.types.core.v1 import Node
from pilothouse.apiserver.generic.strategy import Status, Strategy, Write


def defaults(node: Node) -> Node:
    """What is not said to be reserved may be used: allocatable is the capacity."""
    status = node.status
    if status.allocatable or not status.capacity:
        return node
    return msgspec.structs.replace(node, status=msgspec.structs.replace(status, allocatable=status.capacity))


def prepare_update(new: Node, old: Node, write: Write) -> Node:
    return msgspec.structs.replace(new, status=old.status)


STRATEGY = Strategy(
    type=Node,
    prefix="minions",
    # A node registers itself with its status: nobody need wait for its first report.
    dropped_on_create=(),
    defaults=defaults,
    prepare_update=prepare_update,
    status=Status(),
    own_field_labels=True,
    fields={"spec.unschedulable": lambda o: "true" if o.spec.unschedulable else "false"},
)
