"""Nodes that a cluster has and shall not have any more: the steps that take them out of it while it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.house import members
from pilothouse.house import spec as specs
from pilothouse.house.drain import Drain
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.house.steps import Step
from pilothouse.kit.clock import Clock

DRAIN_SECONDS = 90.0


def nodes_in_words(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"


class Removal:
    """Takes `nodes` out of a cluster that becomes `wanted`. Simulated ones go with the control plane's restart, so
    their objects are deleted after it; else their kubelets would make them again."""

    def __init__(
        self, paths: Paths, wanted: ClusterSpec, nodes: Sequence[NodeSpec], clock: Clock, seconds: float | None
    ) -> None:
        self._paths = paths
        self._wanted = wanted
        self._nodes = nodes
        self._seconds = seconds or DRAIN_SECONDS
        self._drain = Drain(paths, wanted, [node.name for node in nodes], clock)

    def before(self) -> list[Step]:
        """What is done before the processes that stay are started."""
        if not self._nodes:
            return []
        words = nodes_in_words(len(self._nodes))
        drain = Step(f"drain {words}", self._move_pods, lambda: self._drain.cordon(False))
        return [drain, Step(f"remove {words}", self._remove)]

    def after(self) -> list[Step]:
        """What is done when the API server is there for sure."""
        return [Step(f"forget {nodes_in_words(len(self._nodes))}", self._forget)] if self._nodes else []

    def _move_pods(self) -> bool:
        """Without a control plane nobody would move the pods: they are made again elsewhere once it is back."""
        if members.control_plane(self._paths, self._wanted).pid() is None:
            return False
        self._drain.cordon()
        self._drain.evict(self._seconds)
        return True

    def _remove(self) -> bool:
        if self._wanted.runtime == "containerd":
            from pilothouse.house import machine

            for node in self._nodes:
                members.node(self._paths, self._wanted, node).stop()
                machine.remove_node(self._paths, self._wanted, node)
        specs.save(self._paths, self._wanted)
        return False  # there is no way back from here

    def _forget(self) -> bool:
        self._drain.forget()
        return False
