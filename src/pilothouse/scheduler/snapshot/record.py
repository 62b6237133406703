"""A node as the snapshot holds it, beside its row in the columns."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core.v1 import Node
from pilothouse.scheduler.snapshot.pods import PodInfo
from pilothouse.semantics.host_ports import Port


class NodeRecord:
    """A node, its row, and the pods on it (assumed ones included)."""

    __slots__ = ("images", "node", "pods", "ports", "row")

    def __init__(self, node: Node, row: int) -> None:
        self.node = node
        self.row = row
        self.pods: dict[str, PodInfo] = {}
        self.ports: dict[Port, int] = {}
        self.images: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.node.metadata.name

    @property
    def labels(self) -> Mapping[str, str]:
        return self.node.metadata.labels
